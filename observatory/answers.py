"""One computed answer for all who may see the same: what a page's callback says at one revision of the store.

Two hundred viewers of one page ask the same question after each change; the first asker computes, the others wait for
it and share the result. An answer is kept as plain data, so that sending it again costs no more than its bytes.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

import orjson
from dash.development.base_component import Component
from flask import current_app

from observatory.context import actor, services
from observatory.store import topics
from observatory.store.engine import Store
from observatory.store.topics import Position

KEPT = 128  # questions, the least recently used going first
SECONDS = 5  # an answer speaks of "now": without any change it is computed anew after this long

P = ParamSpec("P")
R = TypeVar("R")


class Moment(NamedTuple):
    """When an answer was right: a position of the store, and a beat of the clock."""

    position: Position
    beat: int


class Answer:
    """An answer under way, or there. Whoever comes while it is computed waits for it."""

    __slots__ = ("lock", "moment", "ready", "value")

    def __init__(self, moment: Moment) -> None:
        self.lock = threading.Lock()
        self.moment = moment
        self.ready = False
        self.value: Any = None


class Answers:
    """The answers of this process: for each question the one of the newest moment."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kept: OrderedDict[Hashable, Answer] = OrderedDict()

    def get(self, question: Hashable, moment: Moment, compute: Callable[[], Any]) -> Any:
        with self.lock:
            answer = self.kept.get(question)
            if answer is None or answer.moment.position.epoch != moment.position.epoch or answer.moment < moment:
                answer = self.kept[question] = Answer(moment)
            self.kept.move_to_end(question)
            if len(self.kept) > KEPT:
                self.kept.popitem(last=False)
        with answer.lock:
            if not answer.ready:  # also after a failure: the next one tries again
                answer.value = compute()
                answer.ready = True
        return answer.value


def shared(callback: Callable[P, R]) -> Callable[P, R]:
    """Mark a callback whose answer depends on nothing but its arguments, the store, and what its caller may see.

    Stands under `@callback`; the first argument is the tick (`live`), which says only that it is time to ask again.
    New points alone are no new answer: they reach the page by the stream, or with the next beat.
    """
    return sharing(callback, topics.latest)


def shared_until_the_next_point(callback: Callable[P, R]) -> Callable[P, R]:
    """Like `shared`, for what is computed from values that the stream cannot carry."""
    return sharing(callback, topics.position)


def sharing(callback: Callable[P, R], position: Callable[[Store], Position]) -> Callable[P, R]:
    @wraps(callback)
    def answered(*arguments: P.args, **named: P.kwargs) -> R:
        who, now = actor(), services().clock()
        question = (callback, who.role, who.sees_all, who.projects, orjson.dumps(arguments[1:]))
        moment = Moment(position(services().store), now // (SECONDS * 1000))
        answers: Answers = current_app.extensions["observatory_answers"]
        found: R = answers.get(question, moment, lambda: plain(callback(*arguments, **named)))
        return found

    return answered


def plain(answer: Any) -> Any:
    """Components as the dicts and lists they travel as."""
    return orjson.loads(orjson.dumps(answer, default=described, option=orjson.OPT_SERIALIZE_NUMPY))


def described(thing: Any) -> Any:
    """A component as its dict. Raises TypeError for what is none: a page has put something else in its answer."""
    if isinstance(thing, Component):
        return thing.to_plotly_json()  # type: ignore[no-untyped-call]
    raise TypeError(f"An answer cannot hold a {type(thing).__name__}.")

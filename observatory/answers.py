"""One computed answer for all who may see the same: what a page's callback says at one revision of the store.

Two hundred viewers of one page ask the same question after each change; the first asker computes, the others wait for
it and share the result. An answer is kept as plain data, so that sending it again costs no more than its bytes.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import orjson
from dash.development.base_component import Component
from flask import current_app

from observatory.context import actor, services
from observatory.store import topics

KEPT = 256  # answers, the least recently used going first
SECONDS = 5  # an answer speaks of "now": without any change it is computed anew after this long

P = ParamSpec("P")
R = TypeVar("R")


class Answer:
    """An answer under way, or there. Whoever comes while it is computed waits for it."""

    __slots__ = ("lock", "ready", "value")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ready = False
        self.value: Any = None


class Answers:
    """The answers of this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kept: OrderedDict[Hashable, Answer] = OrderedDict()

    def get(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        with self.lock:
            answer = self.kept.setdefault(key, Answer())
            self.kept.move_to_end(key)
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
    """

    @wraps(callback)
    def answered(*arguments: P.args, **named: P.kwargs) -> R:
        who, now = actor(), services().clock()
        scope = (who.role, who.projects)
        moment = (topics.position(services().store), now // (SECONDS * 1000))
        key = (callback, scope, moment, orjson.dumps(arguments[1:]))
        answers: Answers = current_app.extensions["observatory_answers"]
        found: R = answers.get(key, lambda: plain(callback(*arguments, **named)))
        return found

    return answered


def plain(answer: Any) -> Any:
    """Components as the dicts and lists they travel as."""
    return orjson.loads(orjson.dumps(answer, default=described, option=orjson.OPT_SERIALIZE_NUMPY))


def described(thing: Any) -> Any:
    """A component as its dict. Raises TypeError for what is none: a page has put something else in its answer."""
    if isinstance(thing, Component):
        return thing.to_plotly_json()
    raise TypeError(f"An answer cannot hold a {type(thing).__name__}.")

"""State as shape and word, never as colour alone. The shapes are masks in assets/tokens.css, chosen by `data-state`."""

from dash import html
from dash.development.base_component import Component

from observatory.components import values, words
from observatory.components.attributes import Child, Row, aria, data

WORDS = {
    "live": "live",
    "late": "late",
    "stale": "stale",
    "gone": "gone",
    "down": "down",
    "paused": "paused",
    "unknown": "unknown",
    "running": "running",
    "idle": "idle",
    "completed": "completed",
    "failed": "failed",
    "simulated": "simulated",
    "info": "information",
    "warning": "warning",
    "error": "error",
}


def shape(state: str) -> Component:
    """The bare shape; it needs a word beside it."""
    return html.Span(className="shape", **data(state=state), **aria(hidden=True))


def state_mark(
    state: str,
    *,
    word: str = "",
    compact: bool = False,
    measured: int | None = None,
    interval: float | None = None,
) -> Component:
    """Shape and word, the state's own unless another `word` is given. `compact` keeps it for screen readers and the
    tooltip.

    With `measured` and `interval` (seconds) the browser lets the mark turn late and stale between updates.
    """
    word = word or WORDS.get(state, state)
    return html.Span(
        [shape_of_mark(), html.Span(word, className="state-word")],
        className="state-mark compact" if compact else "state-mark",
        title=word if compact else None,
        **data(state=state, measured=measured, interval=interval),
    )


def shape_of_mark() -> Component:
    """The shape inside a mark: it follows the `data-state` of the mark around it."""
    return html.Span(className="shape", **aria(hidden=True))


def service_mark(service: Row, *, compact: bool = False) -> Component:
    """The mark of one row of `frames.services.current`. Only what ages by itself may turn in the browser."""
    ages = service["state"] in ("live", "late", "stale")
    return state_mark(
        str(service["state"]),
        compact=compact,
        measured=words.instant(service["measured"]) if ages else None,
        interval=float(service["interval"]) if ages else None,
    )


STREAMS = {"heard": "live", "silent": "stale", "down": "down"}  # the shape of each state


def stream_mark(stream: Row) -> Component:
    """How one row of `frames.streams.current` is, as shape and words."""
    words_ = html.Span(sentence(words.stream(stream)), className="state-word")
    return html.Span([shape_of_mark(), words_], className="state-mark", **data(state=STREAMS[str(stream["state"])]))


def clock_mark(service: Row) -> Component | None:
    """That the clock of a service is wrong, by how much and where to; None when it is right."""
    off = words.clock(service)
    return clock_off(f"clock {off}", f"Its clock is {off}. Ages are corrected.") if off else None


def clock_told(service: Row) -> Component | None:
    """The same where there is room for a sentence."""
    off = words.clock(service)
    return clock_off(f"Its clock is {off}; ages are corrected", "") if off else None


def clock_off(word: str, title: str) -> Component:
    mark = [shape_of_mark(), html.Span(word, className="state-word")]
    return html.Span(mark, className="state-mark clock-off", title=title or None, **data(state="warning"))


def simulated_mark(*, compact: bool = False) -> Component:
    return state_mark("simulated", compact=compact)


def sentence(parts: words.Sentence) -> list[Child]:
    """The components of a sentence: texts, and times that count on."""
    return [part if isinstance(part, str) else values.moment(part.kind, part.at) for part in parts]


def standing(what: words.Standing) -> Component:
    """The first thing a person reads: shape, one sentence, and what else there is to say."""
    support = html.P(sentence(what.support), className="standing-support") if what.support else None
    word = html.Span(WORDS[what.state], className="visually-hidden")
    mark = html.Div([shape_of_mark(), word], className="state-mark large", **data(state=what.state))
    return html.Div(
        [mark, html.Div([html.H1(sentence(what.headline)), support])],
        className="standing",
        **data(state=what.state),
    )

"""Tables: first column the name as a link, state as shape and word, numbers to the right."""

from collections.abc import Sequence

import pandas as pd
from dash import dcc, html
from dash.development.base_component import Component

from observatory.components import links, status, strip, values, words
from observatory.components.attributes import Child, Row, aria, data, records


def table(label: str, columns: Sequence[tuple[str, str]], rows: Sequence[Component], *, extra: str = "") -> Component:
    """`columns` are (heading, class); the class `num` puts numbers to the right. The box scrolls, the page does not."""
    head = html.Tr([html.Th(heading, scope="col", className=kind or None) for heading, kind in columns])
    body = html.Table([html.Thead(head), html.Tbody(list(rows))], className=f"table-data {extra}".strip())
    return html.Div(body, className="scroll-x", role="region", tabIndex=0, **aria(label=label))


SERVICES = (
    ("Service", ""),
    ("State", ""),
    ("Last outcome", ""),
    ("Answers in", "num"),
    ("Age", "num"),
    ("Uptime", "num"),
    ("Address", ""),
)


def services(frame: pd.DataFrame, uptime: pd.DataFrame) -> Component:
    """`frames.services.current` and `.uptime` as the registry."""
    shares = {row["target"]: row for row in records(uptime)}
    rows = [service(row, shares.get(row["name"])) for row in records(frame)]
    return table("Services", SERVICES, rows, extra="stacked")


def service(row: Row, share: Row | None) -> Component:
    name = str(row["name"])
    kind, origin = words.kind(str(row["kind"])), words.origin(str(row["origin"]))
    more = name if kind == words.title(name) else kind
    simulated = status.simulated_mark() if row["simulated"] else None
    mark = [status.service_mark(row), simulated, status.clock_mark(row)]
    every = f"every {float(row['interval']):g}{words.THIN}s"
    return html.Tr(
        [
            html.Th([dcc.Link(words.title(name), href=links.service(name)), below(more)], scope="row"),
            named("State", mark),
            named("Last outcome", outcome(row)),
            named("Answers in", [values.reading(strip.latency_of(row))], "num"),
            named("Age", [age(row), below(every)], "num"),
            named("Uptime", uptime_text(share), "num"),
            named("Address", [html.Code(str(row["url"])), below(origin)], "url"),
        ],
        **data(state=row["state"]),
    )


def below(text: str | Component) -> Component:
    """A second, smaller line of a cell."""
    return html.Span(text, className="key")


def named(column: str, children: Sequence[Child], kind: str = "") -> Component:
    """A cell that knows its column, for phones, where each row becomes a card."""
    return html.Td(html.Div(list(children)), className=kind or None, **data(column=column))


def outcome(row: Row) -> list[Child]:
    """The cause in words and for how long."""
    since = words.instant(row["since"])
    word = words.outcome(row)
    return [f"{word} for ", values.lasting(since)] if since is not None else [word]


def age(row: Row) -> Component | str:
    """How old the last good answer is: of a service that answers counted from its stream, else from when it was."""
    latency, measured = strip.latency_of(row), words.instant(row["measured"])
    if latency.value is not None:
        return values.reading_age(latency)
    return values.DASH if measured is None else values.ago(measured)


def uptime_text(share: Row | None) -> list[Child]:
    """The share in one line, of how much was observed in the next."""
    ratio, observed = (
        (None, None) if share is None else (values.number(share["ratio"]), values.number(share["observed"]))
    )
    said, of, rest = words.uptime(ratio, observed).partition(" of the ")
    return [said, below(f"of the {rest}")] if of else [said]


SCRAPES = (("Started", ""), ("Outcome", ""), ("Took", "num"), ("Samples", "num"), ("Answer", ""))


def scrapes(frame: pd.DataFrame) -> Component:
    """`frames.services.scrapes`, newest first."""
    return table("Scrape log", SCRAPES, [scrape(row) for row in records(frame)])


def scrape(row: Row) -> Component:
    cause = str(row["cause"] or "")
    return html.Tr(
        [
            html.Td([values.clock(int(row["started"])), project_of(row)]),
            html.Td(html.Span([status.shape("down" if cause else "live"), words.cause(cause)], className="outcome")),
            html.Td(words.duration(float(row["duration"])), className="num"),
            html.Td(f"{int(row['samples'])}", className="num"),
            html.Td(html.Code(shortened(str(row["detail"] or ""))), className="url"),
        ],
        **data(state="down" if cause else "live"),
    )


def project_of(row: Row) -> Component | None:
    return below(str(row["project"])) if row["project"] else None


def shortened(text: str, length: int = 96) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


SERIES = (("Series", ""), ("Value", "num"), ("Age", "num"))


def series(frame: pd.DataFrame) -> Component:
    """Rows of `frames.series.catalogue`."""
    return table("Series", SERIES, [one_series(row) for row in records(frame)])


def one_series(row: Row) -> Component:
    name = str(row["name"])
    what = values.from_row(row, words.unit(name))
    labels = below(html.Code(str(row["labels"]))) if row["labels"] else None
    return html.Tr(
        [
            html.Th([html.Code(name), status.simulated_mark() if what.simulated else None, labels], scope="row"),
            html.Td(series_value(name, what), className="num"),
            html.Td(values.reading_age(what), className="num"),
        ]
    )


def series_value(name: str, what: values.Reading) -> Component:
    """A number with its unit; an instant, as `process_start_time_seconds` holds, as its age."""
    if what.value is not None and words.is_instant(name):
        return values.ago(int(what.value * 1000))
    return values.reading(what)

"""The peer of our pages: a Dash application as its documentation begins one, with one callback that returns text and
one that returns two figures. No session, no guard, no database: what Dash and gunicorn cost by themselves.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import plotly.graph_objects as go
from dash import Dash, Input, Output, dcc, html

from tests.support.processes import Process, answers, free_port
from tests.support.product import Product

POINTS = 600
app = Dash("bare")
server = app.server
app.layout = html.Div(
    [html.P(id="text"), dcc.Graph(id="one"), dcc.Graph(id="two"), dcc.Interval(id="tick", interval=30_000)]
)


@app.callback(Output("text", "children"), Input("tick", "n_intervals"))
def text(ticks: int | None) -> str:
    return f"{ticks or 0} ticks"


@app.callback(Output("one", "figure"), Output("two", "figure"), Input("tick", "n_intervals"))
def figures(_: int | None) -> tuple[go.Figure, go.Figure]:
    values = [i % 60 for i in range(POINTS)]
    return go.Figure([go.Scatter(y=values), go.Scatter(y=values)]), go.Figure([go.Scatter(y=values)])


def body(name: str) -> bytes:
    """The request for the callback with the output `text.children`, or for the two figures."""
    ids = [("text", "children")] if name == "text" else [("one", "figure"), ("two", "figure")]
    outputs = [{"id": key, "property": prop} for key, prop in ids]
    joined = "...".join(f"{key}.{prop}" for key, prop in ids)
    return json.dumps(
        {
            "output": joined if len(ids) == 1 else f"..{joined}..",
            "outputs": outputs[0] if len(ids) == 1 else outputs,
            "inputs": [{"id": "tick", "property": "n_intervals", "value": 1}],
            "changedPropIds": ["tick.n_intervals"],
        }
    ).encode()


@contextmanager
def running(at: Path) -> Iterator[Product]:
    """It, served by the gunicorn that serves us."""
    port = free_port()
    config = at / "bare.conf.py"
    config.write_text("control_socket_disable = True\n")  # else ours would be found
    options = [
        "-c",
        str(config),
        "-b",
        f"127.0.0.1:{port}",
        "-k",
        "gthread",
        "--threads",
        "16",
        "--log-level",
        "warning",
    ]
    with Process(["-m", "gunicorn", *options, "bench.bare:server"], at / "bare.log") as process:
        url = f"http://127.0.0.1:{port}"
        process.wait_until(lambda: answers(url), timeout=60, what=f"an answer of {url}")
        yield Product(url, at, process)


if __name__ == "__main__":
    sys.exit("This is the peer of the other benchmarks and none itself.")

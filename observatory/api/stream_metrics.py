"""What the collector counted of Bridges' WebSockets, for our own `/metrics`: it runs in another process."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from observatory import frames
from observatory.context import services
from observatory.errors import StoreError
from observatory.model import Actor, Role, StreamState

EVERYBODY = Actor(0, "metrics", Role.ADMIN, (), "")


class Streams(Collector):
    """Label values are bounded: types are the contract's or `unknown`, reasons are ours."""

    def collect(self) -> Iterator[Metric]:
        store = services().store
        counts = frames.streams.counts(store)
        came = CounterMetricFamily(
            "observatory_stream_frames", "Frames from a Bridge by type", labels=["target", "type"]
        )
        unused = CounterMetricFamily(
            "observatory_stream_frames_unused", "Frames from a Bridge left out", labels=["target", "reason"]
        )
        for row in counts.to_dict("records"):
            (unused if row["unused"] else came).add_metric([row["target"], row["what"]], row["frames"])
        opened = CounterMetricFamily(
            "observatory_stream_connections", "Connections opened to a Bridge", labels=["target"]
        )
        for target, number in frames.streams.opened(store).items():
            opened.add_metric([target], number)
        state = GaugeMetricFamily("observatory_stream_state", "1: the stream is so", labels=["target", "state"])
        for row in frames.streams.current(store, EVERYBODY, services().clock()).to_dict("records"):
            for one in StreamState:
                state.add_metric([row["target"], one.value], float(row["state"] == one))
        yield from (came, unused, opened, state)


def exposed() -> bytes:
    """In the text format; nothing while the database is away."""
    registry = CollectorRegistry(auto_describe=False)
    try:
        registry.register(Streams())
        return generate_latest(registry)
    except StoreError:
        return b""

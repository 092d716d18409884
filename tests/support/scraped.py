"""Scrapes and targets in a line, for tests of what is made of them."""

from dataclasses import replace

from observatory.model import (
    Agent,
    AgentStatus,
    Cause,
    Instant,
    Kind,
    Origin,
    Sample,
    Scrape,
    Target,
)

NOON: Instant = 1_800_014_400_000  # a whole hour


def a_target(name: str = "a", **changes: object) -> Target:
    return replace(Target(name, Kind.HTTP, "http://127.0.0.1:9", Origin.FILE), **changes)  # type: ignore[arg-type]


def a_scrape(started: Instant, value: float | None = None, *, name: str = "load", **changes: object) -> Scrape:
    """A reading of target `a` every 10 s, with one sample when there is a value."""
    samples = () if value is None else (Sample(name, value),)
    scrape = Scrape("a", started, started + 20, 10.0, samples=samples)
    return replace(scrape, **changes)  # type: ignore[arg-type]


def a_failure(started: Instant, cause: Cause = Cause.TIMEOUT, **changes: object) -> Scrape:
    return a_scrape(started, **{"cause": cause, "detail": "no answer in 10 s", **changes})


def an_agent(name: str = "weaver", status: AgentStatus = AgentStatus.RUNNING, **changes: object) -> Agent:
    agent = Agent(id=name, project="loom", status=status, reported_status=status.value, name=name.title())
    return replace(agent, **changes)  # type: ignore[arg-type]

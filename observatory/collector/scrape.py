"""One target, read once. A failure is a result, never an exception.

Here the numbers of a service become ours: marked when simulated, their times brought to our clock, and given the
outcome of the reading beside them.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import starmap
from typing import Protocol, TypeVar

from observatory import log
from observatory.clients.addresses import Rule
from observatory.clients.base import RETRY_CAP, Session
from observatory.clients.bridge import Bridge
from observatory.clients.devkit import DevKit
from observatory.clients.http import HttpCheck
from observatory.clients.mcp_daemon import McpDaemon
from observatory.clients.nexus import Nexus
from observatory.clients.prometheus import Exporter
from observatory.clients.resolver import SYSTEM, Resolve
from observatory.contract.bridge import ServiceHealth
from observatory.contract.normalise import REPORTED
from observatory.contract.prometheus import Exposition
from observatory.errors import TargetError
from observatory.freshness import LIVE_INTERVALS
from observatory.model import Agent, Cause, Health, Instant, Kind, Labels, McpContext, Project, Sample, Scrape, Target

logger = log.get(__name__)
T = TypeVar("T")

TRANSPORT = {Cause.UNREACHABLE, Cause.TIMEOUT}
ENOUGH = TRANSPORT | {Cause.THROTTLED}  # after this a reading asks no more
SLOW_EVERY = 30.0  # seconds between two readings of a project while the stream tells of it
SERIAL_PROJECTS, PROJECT_THREADS = 8, 4  # up to so many projects one after the other, more by so many threads
SAME_MOMENT = 1000  # milliseconds two answers of one reading may lie apart and still be of one moment


@dataclass
class Reading:
    """What one reading gathers on its way: everything that was told, and everything that failed."""

    target: str
    started: Instant
    project: str = ""
    samples: list[Sample] = field(default_factory=list)
    failures: list[TargetError] = field(default_factory=list)
    told_at: list[Instant] = field(default_factory=list)  # timestamps of bodies, by the service's clock
    measured: Instant | None = None  # the one that dates the samples, by the service's clock
    health: Health | None = None
    version: str = ""
    agents: tuple[Agent, ...] | None = None
    projects: tuple[Project, ...] | None = None

    def ask(self, question: Callable[[], T]) -> T | None:
        """The answer, or None when it failed; then the failure is kept."""
        try:
            return question()
        except TargetError as error:
            self.failures.append(error)
        except Exception as error:  # a fault of ours must not cost the other targets their readings
            logger.exception("scrape_broke", target=self.target, project=self.project)
            self.failures.append(TargetError(Cause.MALFORMED, f"{type(error).__name__}: {error}"[:200]))
        return None

    def describe(self, health: ServiceHealth | None) -> None:
        if health is not None:
            self.health, self.version = health.status, health.version
            self.tell(health.timestamp)

    def tell(self, timestamp: Instant | None) -> None:
        if timestamp is not None:
            self.told_at.append(timestamp)

    def add(self, samples: Iterable[Sample], timestamp: Instant | None) -> None:
        """Take samples of the moment `timestamp`; the first that has one dates the reading."""
        if self.measured is None:
            self.measured = timestamp
        apart = timestamp is not None and abs(timestamp - (self.measured or timestamp)) > SAME_MOMENT
        self.samples += (s._replace(at=timestamp) if apart and s.at is None else s for s in samples)

    @property
    def over(self) -> bool:
        """Whether to ask no more: nobody answers, or we were told to wait."""
        return any(failure.cause in ENOUGH for failure in self.failures)


def never(_project: str) -> bool:
    return False


class Reader:
    """Reads one target again and again. It holds the connection, and what is known from the readings before.

    One thread reads at a time. `read` never raises.
    """

    def __init__(
        self,
        target: Target,
        *,
        clock: Callable[[], Instant],
        telemetry: bool = True,
        rule: Rule | None = None,
        resolve: Resolve = SYSTEM,
    ) -> None:
        self.target, self.clock, self.telemetry = target, clock, telemetry
        self.session = Session(target, clock=clock, rule=rule, resolve=resolve)
        self.known: tuple[Project, ...] = ()
        self.projects_due: dict[str, Instant] = {}
        self.silent = False  # nothing came back the last time
        self.throttled: TargetError | None = None  # by a project of this turn: then the rest is not asked for
        self.context_due: Instant = 0
        self.reported: dict[tuple[str, Labels], Instant] = {}  # newest point each service-side history has told
        self.threads: ThreadPoolExecutor | None = None
        self.source: Source = SOURCES[target.kind](self)

    def close(self) -> None:
        if self.threads is not None:
            self.threads.shutdown(wait=False, cancel_futures=True)
        self.session.close()

    def read(self, *, told: Callable[[str], bool] = never) -> tuple[Scrape, ...]:
        """The target's scrape first, then one for each project that was read.

        Projects that are `told` of are read every 30 s only: the stream tells what happens in them.
        """
        own, projects = self.begin(told=told)
        return (own, *projects())

    def begin(self, *, told: Callable[[str], bool] = never) -> tuple[Scrape, Callable[[], tuple[Scrape, ...]]]:
        """The target's own scrape, and how to read its projects: one that hangs is no reason to keep the first back."""
        reading = Reading(self.target.name, self.clock())
        reading.ask(lambda: self.source.read(reading))
        self.silent = reading.over
        scrape = self.finished(reading, self.target.interval)
        return scrape, partial(self.read_projects, reading, told)

    def read_projects(self, reading: Reading, told: Callable[[str], bool]) -> tuple[Scrape, ...]:
        if reading.projects is not None:
            self.known = reading.projects
        bridge = self.source
        if not isinstance(bridge, BridgeSource):
            return ()
        due = self.due(reading.started, told)
        silent = reading.failures[0] if reading.failures and reading.failures[0].cause in ENOUGH else None
        self.throttled = None
        if silent is not None and reading.projects is None:
            return tuple(self.not_asked(project, reading, silent, interval) for project, interval in due)
        return self.each_project(due, lambda project, interval: self.read_project(bridge, project, interval))

    def due(self, started: Instant, told: Callable[[str], bool]) -> Sequence[tuple[Project, float]]:
        """The projects to read now, each with its interval."""
        usual, found = self.target.interval, []
        for project in self.known:
            slow = told(project.id)
            if slow and started < self.projects_due.get(project.id, 0):
                continue
            interval = max(usual, SLOW_EVERY) if slow else usual
            # Half an interval early is on time: the schedule has its jitter, and being late would skip a whole turn.
            self.projects_due[project.id] = started + round((interval - usual / 2) * 1000)
            found.append((project, interval))
        return found

    def each_project(
        self, due: Sequence[tuple[Project, float]], read: Callable[[Project, float], Scrape]
    ) -> tuple[Scrape, ...]:
        if len(due) <= SERIAL_PROJECTS:
            return tuple(starmap(read, due))
        if self.threads is None:
            self.threads = ThreadPoolExecutor(PROJECT_THREADS, thread_name_prefix=f"read-{self.target.name}")
        return tuple(self.threads.map(read, *zip(*due, strict=True)))

    def read_project(self, bridge: "BridgeSource", project: Project, interval: float) -> Scrape:
        reading = Reading(self.target.name, self.clock(), project=project.id)
        if self.throttled is not None:
            reading.failures.append(self.throttled)
            return self.finished(reading, interval)
        reading.ask(lambda: bridge.read_project(reading))
        self.throttled = next((f for f in reading.failures if f.cause is Cause.THROTTLED), self.throttled)
        return self.finished(reading, interval)

    def read_context(self) -> Scrape | None:
        """What the Bridge tells of MCP servers; None when it is not due, or the Bridge is silent and not asked.

        It has an outcome of its own: a Bridge is up without MCP servers, too.
        """
        bridge, started = self.source, self.clock()
        early = self.context_due - started
        every = max(self.target.interval, SLOW_EVERY)
        if not isinstance(bridge, BridgeSource) or self.silent or 0 < early <= (RETRY_CAP + every) * 1000:
            return None
        self.context_due = started + round((every - self.target.interval / 2) * 1000)
        reading = Reading(self.target.name, started)
        told = reading.ask(bridge.bridge.mcp_context)
        if told is not None:
            context = told.context()
        else:
            failure = reading.failures[0]
            context = McpContext(cause=failure.cause, detail=failure.detail[:200])
            self.context_due += round((failure.retry_after or 0) * 1000)
        return Scrape(
            target=reading.target,
            started=started,
            received=self.clock(),
            interval=every,
            simulated=self.is_simulated(),
            skew=self.session.skew,
            pushed=True,
            context=context,
        )

    def not_asked(self, project: Project, of: Reading, failure: TargetError, interval: float) -> Scrape:
        """The Bridge is silent, so nothing is known of its projects either, for the same cause."""
        reading = Reading(self.target.name, of.started, project=project.id, failures=[failure])
        return self.finished(reading, interval)

    def finished(self, reading: Reading, interval: float) -> Scrape:
        """The scrape of a reading: by our clock, marked, and with its outcome as samples."""
        received = self.clock()
        simulated = self.is_simulated()
        skew = self.session.skew
        samples = tuple(ours(sample, skew) for sample in self.unheard(reading.samples))
        measured, dated = self.dated(reading, received)
        if dated is not None:
            samples = tuple(s if s.at is not None else s._replace(at=dated) for s in samples)
        if not reading.project:
            samples += outcome(reading, received, measured)
        failure = reading.failures[0] if reading.failures else None
        agents = reading.agents
        return Scrape(
            target=reading.target,
            started=reading.started,
            received=received,
            interval=interval,
            project=reading.project,
            samples=tuple(map(marked, samples)) if simulated else samples,
            cause=failure.cause if failure else None,
            detail=failure.detail[:200] if failure else "",
            permanent=failure.permanent if failure else False,
            retry_after=max((f.retry_after for f in reading.failures if f.retry_after is not None), default=None),
            health=reading.health,
            version=reading.version,
            simulated=simulated,
            skew=skew,
            measured=measured,
            agents=None if agents is None else tuple(our_agent(agent, skew) for agent in agents),
            agents_complete=agents is not None,
            projects=reading.projects,
        )

    def unheard(self, samples: Iterable[Sample]) -> list[Sample]:
        """Without the points of a service's own past that were told before.

        It sends its last hour again each time; of that only the newest point may still have changed.
        """
        newest: dict[tuple[str, Labels], Instant] = {}
        kept = []
        for sample in samples:
            key = (sample.name, sample.labels)
            if sample.at is not None and REPORTED in sample.labels:
                if sample.at < self.reported.get(key, 0):
                    continue
                newest[key] = max(sample.at, newest.get(key, 0))
            kept.append(sample)
        self.reported |= newest
        return kept

    def is_simulated(self) -> bool:
        """What the last answer said stays true while nothing answers: a dead simulator has not become real."""
        return self.target.simulated or bool(self.session.simulated)

    def dated(self, reading: Reading, received: Instant) -> tuple[Instant | None, Instant | None]:
        """When the target was measured, and the samples' own moment where that is another one.

        A target is as old as the oldest answer it gave, but only where that answer is late: otherwise the
        milliseconds between answers would date every sample by its neighbour.
        """
        moments = [earliest(at, self.session.skew, received) for at in reading.told_at]
        own = None if reading.measured is None else earliest(reading.measured, self.session.skew, received)
        if own is None:
            return (min(moments), reading.started) if moments else (None, None)
        oldest = min([own, *moments])
        late = own - oldest > LIVE_INTERVALS * self.target.interval * 1000
        return (oldest, own) if late else (own, None)


class Source(Protocol):
    """How a kind of target is read."""

    def read(self, reading: Reading) -> None:
        """Ask everything that is the target's own; what it tells and what fails stands in `reading`."""


class BridgeSource:
    """B1, B5 and B13 are the target; B9 and B12 are each project's own."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.bridge = reader, Bridge(reader.session, reader.target.url)

    def read(self, reading: Reading) -> None:
        reading.describe(reading.ask(self.bridge.health))
        if reading.over:
            return
        listed = reading.ask(self.bridge.projects)
        if listed is not None:
            reading.projects = listed.projects()
            reading.tell(listed.timestamp)
        telemetry = reading.ask(self.bridge.telemetry) if self.reader.telemetry else None
        if telemetry is not None:
            reading.add(telemetry.samples(), telemetry.timestamp)

    def read_project(self, reading: Reading) -> None:
        project = reading.project
        listed = reading.ask(lambda: self.bridge.agents(project))
        telemetry = None
        if self.reader.telemetry and not reading.over:
            telemetry = reading.ask(lambda: self.bridge.project_telemetry(project))
        if telemetry is not None:
            reading.add(telemetry.samples(project), telemetry.timestamp)
        if listed is not None:
            theirs = self.reader.clock() + round((self.reader.session.skew or 0.0) * 1000)
            reading.agents = listed.agents(project, theirs)
            reading.add(listed.samples(project), listed.timestamp)


class DaemonSource:
    """M1 to M4, all of them the target."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.daemon = reader, McpDaemon(reader.session, reader.target.url)

    def read(self, reading: Reading) -> None:
        status = reading.ask(self.daemon.status)
        if reading.over:
            return
        reading.describe(reading.ask(self.daemon.health))
        metrics = reading.ask(self.daemon.metrics) if self.reader.telemetry else None
        tools = reading.ask(self.daemon.capabilities)
        if metrics is not None:
            reading.add(metrics.samples(), metrics.timestamp)
        if status is not None:
            reading.version = status.version or reading.version
            reading.add(status.samples(), status.timestamp)
            if not status.daemon_running:
                reading.health = Health.UNHEALTHY
        if tools is not None:
            reading.add(tools.samples(), None)


class DevKitSource:
    """H1 and H5."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.devkit = reader, DevKit(reader.session, reader.target.url)

    def read(self, reading: Reading) -> None:
        reading.describe(reading.ask(self.devkit.health))
        if reading.over:
            return
        add_exposed(reading, reading.ask(self.devkit.metrics))


class NexusSource:
    def __init__(self, reader: Reader) -> None:
        self.nexus = Nexus(reader.session, reader.target.url)

    def read(self, reading: Reading) -> None:
        reading.describe(reading.ask(self.nexus.health))


class ExporterSource:
    def __init__(self, reader: Reader) -> None:
        self.exporter = Exporter(reader.session, reader.target.url)

    def read(self, reading: Reading) -> None:
        add_exposed(reading, reading.ask(self.exporter.metrics))


class HttpSource:
    def __init__(self, reader: Reader) -> None:
        self.http = HttpCheck(reader.session, reader.target.url, reader.target.expect)

    def read(self, reading: Reading) -> None:
        checked = reading.ask(self.http.check)
        if checked is None:
            return
        reading.add(checked.samples(), None)
        if checked.fault is not None:
            reading.failures.append(checked.fault)


SOURCES: dict[Kind, Callable[[Reader], Source]] = {
    Kind.BRIDGE: BridgeSource,
    Kind.MCP_DAEMON: DaemonSource,
    Kind.DEVKIT_API: DevKitSource,
    Kind.NEXUS_CONSOLE: NexusSource,
    Kind.PROMETHEUS: ExporterSource,
    Kind.HTTP: HttpSource,
    Kind.OBSERVATORY: ExporterSource,
}


def open_reader(
    target: Target,
    *,
    clock: Callable[[], Instant],
    telemetry: bool = True,
    rule: Rule | None = None,
    resolve: Resolve = SYSTEM,
) -> Reader:
    """A reader of `target`; without `telemetry` the telemetry of Bridge and daemon is not asked for."""
    return Reader(target, clock=clock, telemetry=telemetry, rule=rule, resolve=resolve)


def add_exposed(reading: Reading, exposed: Exposition | None) -> None:
    if exposed is not None:
        reading.add(exposed.samples, None)


def outcome(reading: Reading, received: Instant, measured: Instant | None) -> tuple[Sample, Sample, Sample]:
    """Our own observation: it is of the moment we asked, whenever the service measured what it told."""
    at = None if measured is None else reading.started
    return (
        Sample("up", 0.0 if reading.failures else 1.0, at=at),
        Sample("scrape_duration_seconds", (received - reading.started) / 1000, at=at),
        Sample("scrape_samples_scraped", float(len(reading.samples)), at=at),
    )


def marked(sample: Sample) -> Sample:
    kept = (pair for pair in sample.labels if pair[0] != "simulated")
    return sample._replace(labels=tuple(sorted((*kept, ("simulated", "true")))))


def corrected(at: Instant, skew: float | None) -> Instant:
    """A moment of the service's clock by ours."""
    return at - round((skew or 0.0) * 1000)


def earliest(at: Instant, skew: float | None, received: Instant) -> Instant:
    """The same, but nothing was measured after it was received."""
    return min(corrected(at, skew), received)


def ours(sample: Sample, skew: float | None) -> Sample:
    return sample if not skew or sample.at is None else sample._replace(at=corrected(sample.at, skew))


def our_agent(agent: Agent, skew: float | None) -> Agent:
    if not skew:
        return agent
    last = agent.last_command
    return replace(
        agent,
        measured_at=maybe_corrected(agent.measured_at, skew),
        last_activity=maybe_corrected(agent.last_activity, skew),
        task_started=maybe_corrected(agent.task_started, skew),
        task_due=maybe_corrected(agent.task_due, skew),
        last_command=None if last is None else replace(last, at=maybe_corrected(last.at, skew)),
    )


def maybe_corrected(at: Instant | None, skew: float) -> Instant | None:
    return None if at is None else corrected(at, skew)

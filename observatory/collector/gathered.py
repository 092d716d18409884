"""What a stream told of a project and nobody has written yet, and how much of what it says is worth an event."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace

from observatory.model import MINUTE, Agent, Event, Instant, Labels, Level, McpContext, Sample

TRANSITIONS = 4  # of one agent in one writing: the first ones and the last
# Messages that become events: so many at once, then one in so many milliseconds.
OF_A_LEVEL, LEVEL_EVERY = 10, 6_000  # of one project and level
OF_ALL, ALL_EVERY = 100, 1_000  # of one Bridge
REMEMBERED = 64  # messages of a project by which a repeated one is known


@dataclass(slots=True)
class Gathered:
    """The newest of every series and agent, and what happened. An agent's changes of status are kept in their order."""

    samples: dict[tuple[str, Labels], Sample] = field(default_factory=dict)
    agents: dict[str, list[Agent]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    context: McpContext | None = None
    measured: Instant | None = None
    simulated: bool = False
    skew: float | None = None

    def add(self, samples: Iterable[Sample], agents: Iterable[Agent], at: Instant) -> None:
        """What one frame told, measured at `at` by our clock."""
        for sample in samples:
            self.samples[sample.name, sample.labels] = sample._replace(at=at)
        for agent in agents:
            self.add_agent(agent if agent.measured_at is not None else replace(agent, measured_at=at))
        self.measured = at if self.measured is None else max(self.measured, at)

    def add_agent(self, agent: Agent) -> None:
        told = self.agents.setdefault(agent.id, [])
        if told and told[-1].reported_status == agent.reported_status:
            told[-1] = laid_over(agent, told[-1])
            return
        told.append(agent)
        if len(told) > TRANSITIONS:
            del told[-2]

    def in_order(self) -> tuple[Agent, ...]:
        return tuple(agent for told in self.agents.values() for agent in told)


DESCRIPTION = [item.name for item in fields(Agent) if item.name not in {"id", "project", "error"}]


def laid_over(newer: Agent, older: Agent) -> Agent:
    """The newer word about an agent, with what it does not speak of taken from the older one."""
    unsaid = {name: getattr(older, name) for name in DESCRIPTION if getattr(newer, name) in (None, "")}
    return replace(newer, **unsaid) if unsaid else newer


class Allowance:
    """So many at once, and then one every so many milliseconds."""

    def __init__(self, burst: int, every: int) -> None:
        self.burst, self.every = burst, every
        self.left, self.at = float(burst), 0

    def refill(self, now: Instant) -> bool:
        """Whether there is one to take."""
        self.left = min(float(self.burst), self.left + max(0, now - self.at) / self.every)
        self.at = now
        return self.left >= 1


class Chatter:
    """Which messages become events: a storm of them must not flood the table, and one project not silence another."""

    def __init__(self) -> None:
        self.of_all = Allowance(OF_ALL, ALL_EVERY)
        self.of_level: dict[tuple[str, Level], Allowance] = {}
        self.known: dict[str, deque[tuple[Instant, str, str]]] = {}
        self.left_out: Counter[str] = Counter()  # by project, since it was last told
        self.told: Instant = 0

    def is_repeated(self, project: str, at: Instant | None, agent: str, text: str) -> bool:
        if at is None:
            return False
        known = self.known.setdefault(project, deque(maxlen=REMEMBERED))
        if (at, agent, text) in known:
            return True
        known.append((at, agent, text))
        return False

    def admits(self, project: str, level: Level, now: Instant) -> bool:
        """Whether one more message of a project may become an event; counts it as left out when not."""
        mine = self.of_level.setdefault((project, level), Allowance(OF_A_LEVEL, LEVEL_EVERY))
        if mine.refill(now) and self.of_all.refill(now):
            mine.left -= 1
            self.of_all.left -= 1
            return True
        self.left_out[project] += 1
        return False

    def unsaid(self, now: Instant) -> dict[str, int]:
        """How many messages of which project were left out; told once a minute at most."""
        if not self.left_out or 0 <= now - self.told < MINUTE:
            return {}
        told, self.left_out, self.told = dict(self.left_out), Counter(), now
        return told

    def forget(self, project: str) -> None:
        """The project is gone."""
        self.known.pop(project, None)
        self.left_out.pop(project, None)
        for level in Level:
            self.of_level.pop((project, level), None)

"""The simulated world is a pure function of its seed and the time."""

import subprocess
import sys
from itertools import pairwise
from random import Random

import pytest

from observatory.simulator.dialect import Dialect
from observatory.simulator.life import Life
from observatory.simulator.noise import DAY, EPOCH, HOUR, MINUTE, SECOND
from observatory.simulator.population import population
from observatory.simulator.roster import PROJECTS
from observatory.simulator.schedule import Schedule
from observatory.simulator.switches import AMOUNTS, CHOICES
from observatory.simulator.world import UnknownPath, World

NOON = 1_795_348_800_000  # 2026-11-22T12:00:00Z
COUNTERS = ("daemon.requests_total", "projects.loom.tests", "projects.loom.tests_failed", "projects.loom.builds")
AGENTS = [(project.id, agent) for project in PROJECTS for agent in project.agents]


def picture(world: World, t: int) -> dict[str, object]:
    numbers: dict[str, object] = {path: world.value(path, t) for path in world.sources}
    return numbers | {plan.id: world.agents(plan, t) for plan in world.projects.values()}


def test_one_seed_and_one_time_make_one_world() -> None:
    first, second = World(7), World(7)
    picture(second, NOON - 3 * DAY)  # what was asked before must not matter

    assert picture(first, NOON) == picture(second, NOON)


def test_another_seed_makes_another_world() -> None:
    assert picture(World(7), NOON) != picture(World(8), NOON)


def test_what_is_remembered_is_what_was() -> None:
    world = World(7)
    live = {path: world.value(path, NOON) for path in world.sources}

    assert {path: world.past(path, NOON) for path in world.sources} == live


@pytest.mark.parametrize("path", COUNTERS)
def test_counters_never_fall(path: str) -> None:
    source = World(7).sources[path]
    counts = [source(t) for t in range(NOON - 2 * DAY, NOON, 7 * MINUTE)]

    assert counts == sorted(counts)
    assert counts[0] < counts[-1]
    assert source(EPOCH - DAY) == 0


@pytest.mark.parametrize(("project", "agent"), AGENTS, ids=lambda value: getattr(value, "id", value))
def test_an_agents_counts_never_fall_not_even_over_midnight(project: str, agent: object) -> None:
    life = Schedule(7, project, agent)  # type: ignore[arg-type]
    times = range(NOON - DAY, NOON + DAY, 11 * MINUTE)

    for count in (life.completed, life.failed):
        counts = [count(t) for t in times]
        assert counts == sorted(counts)


def test_a_day_is_covered_without_gap_or_overlap() -> None:
    for project, agent in AGENTS:
        life = Schedule(7, project, agent)
        number = life.number(NOON)
        plan, start = life.day(number), number * DAY + life.morning
        assert start <= NOON < start + DAY
        assert (plan.segments[0].start, plan.segments[-1].end) == (start, start + DAY)
        assert all(before.end == after.start for before, after in pairwise(plan.segments))


def test_agents_do_not_all_rest_at_the_same_moment() -> None:
    lives = [Schedule(7, project, agent) for project, agent in AGENTS]

    working = [sum(life.segment(t).status == "running" for life in lives) for t in range(NOON, NOON + DAY, 5 * MINUTE)]

    assert min(working) > 0


def test_progress_only_grows_while_a_task_lasts() -> None:
    world = World(7)
    loom = world.projects["loom"]
    seen: dict[int, float] = {}
    for t in range(NOON, NOON + HOUR, 20 * SECOND):
        agent = world.agent(loom, loom.agents[0], t)
        if agent.task:
            assert 0 <= seen.get(agent.task.started, 0) <= agent.progress <= 100
            seen[agent.task.started] = agent.progress

    assert len(seen) > 3


def test_every_status_occurs_in_a_day_and_most_agents_work_most_of_the_time() -> None:
    world = World(7)
    times = range(NOON, NOON + DAY, 5 * MINUTE)
    statuses = [world.status(project, agent.id, t) for t in times for project, agent in AGENTS]

    assert set(statuses) == {"idle", "running", "paused", "completed", "failed"}
    assert statuses.count("running") > len(statuses) / 2


@pytest.mark.parametrize("path", ["system.cpu", "projects.loom.cpu", "daemon.memory_usage", "performance.throughput"])
def test_a_number_moves_while_one_looks_at_it(path: str) -> None:
    source = World(7).sources[path]

    seen = [source(t) for t in range(NOON, NOON + MINUTE, 5 * SECOND)]

    assert len(set(seen)) > len(seen) / 2


def test_percentages_stay_percentages() -> None:
    world = World(7)

    for path in ("system.cpu", "system.memory", "system.disk", "projects.atlas.cpu"):
        values = [world.value(path, t) for t in range(NOON - DAY, NOON, 3 * MINUTE)]
        assert 0 <= min(values) <= max(values) <= 100


def test_a_pin_holds_from_then_on_and_leaves_the_past_alone() -> None:
    world = World(7)
    before = world.past("system.cpu", NOON - MINUTE)

    world.pin("system.cpu", 12.5, NOON)

    assert world.value("system.cpu", NOON + HOUR) == world.past("system.cpu", NOON) == 12.5
    assert world.past("system.cpu", NOON - MINUTE) == before
    with pytest.raises(UnknownPath):
        world.pin("system.cpuu", 1, NOON)


def test_without_orders_an_agents_time_is_everybodys() -> None:
    life = Life(Schedule(7, *AGENTS[0]))

    assert [life.own(t) - t for t in range(NOON, NOON + DAY, HOUR)] == [0] * 24
    assert life.wall(NOON - HOUR, NOON) == NOON - HOUR


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_ordered_a_life_stays_consistent(seed: int) -> None:
    rng, life, t = Random(seed), Life(Schedule(7, *AGENTS[seed % len(AGENTS)])), NOON
    lived = []
    for _ in range(60):
        life.order(rng.choice(["start", "stop", "pause", "resume", "restart", "status"]), t)
        t += rng.randrange(1, 3 * HOUR)
        status, since = life.state(t)
        assert status in {"idle", "running", "paused", "completed", "failed"}
        assert since <= t
        assert life.up_since(t) <= t
        assert life.last_activity(t) <= t
        lived.append((life.completed(t), life.failed(t)))

    for counts in zip(*lived, strict=True):
        assert list(counts) == sorted(counts)


def test_what_was_is_not_changed_by_an_order() -> None:
    life, times = Life(Schedule(7, *AGENTS[0])), range(NOON - DAY, NOON, 7 * MINUTE)
    before = [(life.state(t), life.completed(t), life.up_since(t)) for t in times]

    life.order("restart", NOON)

    assert [(life.state(t), life.completed(t), life.up_since(t)) for t in times] == before


@pytest.mark.parametrize(("projects", "agents"), [(1, 1), (4, 9), (50, 20)])
def test_a_population_has_the_size_that_was_wished(projects: int, agents: int) -> None:
    plans = population(projects, agents)

    assert len({plan.id for plan in plans}) == projects
    assert {len({agent.id for agent in plan.agents}) for plan in plans} == {agents}


def test_without_a_wish_the_population_is_the_usual_one() -> None:
    assert population() == PROJECTS


def test_the_dialect_has_every_switch_in_its_canonical_position() -> None:
    assert Dialect().positions() == {
        **{name: choice.positions[0] for name, choice in CHOICES.items()},
        **dict.fromkeys(AMOUNTS, 0.0),
    }


def test_the_package_tells_of_every_switch() -> None:
    import observatory.simulator as package

    assert [name for name in (*CHOICES, *AMOUNTS) if f"`{name}`" not in (package.__doc__ or "")] == []


def test_the_simulator_imports_nothing_of_the_observatory() -> None:
    script = (
        "import sys, pkgutil, importlib, observatory.simulator as s\n"
        "for m in pkgutil.iter_modules(s.__path__):\n"
        "    m.name != '__main__' and importlib.import_module('observatory.simulator.' + m.name)\n"
        "print(*sorted(m for m in sys.modules if m.split('.')[0] == 'observatory'))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=True)

    modules = done.stdout.split()
    assert "observatory.simulator.world" in modules
    assert [m for m in modules if m != "observatory" and not m.startswith("observatory.simulator")] == []

"""Outcomes as runs: stretches [since, until) in which a target, or a project behind it, answered or failed alike."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, insert, select, update

from observatory.model import Cause, Instant, Window
from observatory.store.engine import Store
from observatory.store.schema import projects, readings, runs, targets
from observatory.store.sql import AnyRow

SLACK = 1.0  # a scrape at most this share of an interval after the last one was due leaves no hole between them


def extend(
    connection: Connection, target: int, project: str, since: Instant, interval_ms: int, cause: str
) -> Window | None:
    """Note that from `since` for one interval the outcome was `cause` ("" is an answer). Any order of calls will do.

    Answers when this is news: another outcome than the one before it, or a failure that is the first we know. Then it
    is the time this news speaks of: from the beginning of the outcome before to the end of this interval.
    """
    until = since + interval_ms
    mine = (runs.c.target_id == target) & (runs.c.project == project)
    before = connection.execute(
        select(runs).where(mine, runs.c.since_ms <= since).order_by(runs.c.since_ms.desc()).limit(1)
    ).first()
    after = connection.execute(
        select(runs).where(mine, runs.c.since_ms > since).order_by(runs.c.since_ms).limit(1)
    ).first()
    near = SLACK * interval_ms
    late = before is not None and before.until_ms > until  # newer evidence is there already
    if before is not None and since - before.until_ms <= near:
        if before.cause == cause:
            connection.execute(delete(runs).where(runs.c.id == before.id))
            since, until = before.since_ms, max(until, before.until_ms)
        else:
            # An outcome holds until another is seen: a scrape a moment late leaves no hole.
            connection.execute(update(runs).where(runs.c.id == before.id).values(until_ms=since))
            if late:
                rest = {"since_ms": until, "until_ms": before.until_ms, "cause": before.cause}
                connection.execute(insert(runs).values(target_id=target, project=project, **rest))
    if after is not None and not late and after.since_ms - until <= near:
        until = join(connection, after, since) if after.cause == cause else after.since_ms
    connection.execute(
        insert(runs).values(target_id=target, project=project, since_ms=since, until_ms=until, cause=cause)
    )
    if before is None:
        return Window(since, until) if cause and after is None else None
    return Window(before.since_ms, until) if before.cause != cause and not late else None


def join(connection: Connection, after: AnyRow, since: Instant) -> Instant:
    """Take the run `after` into the one that now begins at `since`; answers where the two end."""
    connection.execute(delete(runs).where(runs.c.id == after.id))
    same = (readings.c.target_id == after.target_id) & (readings.c.project == after.project)
    connection.execute(update(readings).where(same, readings.c.since_ms == after.since_ms).values(since_ms=since))
    return int(after.until_ms)


def end(connection: Connection, ids: Sequence[int], now: Instant) -> None:
    """Let no run of these targets and their projects reach beyond `now`: from here on something else is the case."""
    reaching = (runs.c.since_ms < now) & (runs.c.until_ms > now)
    connection.execute(update(runs).where(runs.c.target_id.in_(ids), reaching).values(until_ms=now))


def end_of_projects(connection: Connection, target: int, ids: Iterable[str], now: Instant) -> None:
    """The same, of projects that their Bridge does not list any more."""
    reaching = (runs.c.since_ms < now) & (runs.c.until_ms > now)
    mine = (runs.c.target_id == target) & runs.c.project.in_(list(ids))
    connection.execute(update(runs).where(mine, reaching).values(until_ms=now))


def rest(store: Store, now: Instant, length_ms: int) -> None:
    """Note that from `now` for `length_ms` paused targets, and the projects behind them, are not asked."""
    resting = select(targets.c.id).where(targets.c.paused, targets.c.gone_ms.is_(None))
    with store.read() as connection:
        if connection.execute(resting.limit(1)).first() is None:
            return
    with store.write() as connection:
        pause(connection, connection.execute(resting).scalars().all(), now, length_ms)


def pause(connection: Connection, ids: Sequence[int], now: Instant, length_ms: int) -> None:
    if not ids:
        return
    behind = select(projects.c.target_id, projects.c.id).where(
        projects.c.target_id.in_(ids), projects.c.gone_ms.is_(None)
    )
    resting = [*((one, "") for one in ids), *((row.target_id, row.id) for row in connection.execute(behind))]
    for target, project in resting:
        extend(connection, target, project, now, length_ms, Cause.PAUSED)


def failed_within(connection: Connection, target: int, window: Window) -> bool:
    """Whether the target itself failed at any time of `window`."""
    mine = (runs.c.target_id == target) & (runs.c.project == "") & (runs.c.cause != "")
    overlap = (runs.c.until_ms > window.since) & (runs.c.since_ms < window.until)
    return connection.execute(select(runs.c.id).where(mine, overlap).limit(1)).first() is not None


def within(store: Store, names: Sequence[str], window: Window, project: str = "") -> Sequence[AnyRow]:
    """Runs of the targets `names` that touch `window`: target, since_ms, until_ms, cause; by target, then time."""
    query = (
        select(targets.c.name.label("target"), runs.c.since_ms, runs.c.until_ms, runs.c.cause)
        .join(targets, targets.c.id == runs.c.target_id)
        .where(targets.c.name.in_(names), runs.c.project == project)
        .where(runs.c.until_ms > window.since, runs.c.since_ms < window.until)
        .order_by(targets.c.name, runs.c.since_ms)
    )
    with store.read() as connection:
        return connection.execute(query).all()

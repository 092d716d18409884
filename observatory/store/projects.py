"""Projects as Bridges list them, and how current what is known of them is."""

from collections.abc import Sequence

from sqlalchemy import and_, func, select

from observatory.model import Kind
from observatory.store.engine import Store
from observatory.store.schema import projects, readings, targets
from observatory.store.sql import AnyRow

OF_TARGET = (
    targets.c.name.label("target"),
    targets.c.project.label("of_target"),
    targets.c.simulated,
    targets.c.paused,
)
OF_READING = (
    func.coalesce(readings.c.interval_ms, targets.c.interval_ms).label("interval_ms"),
    readings.c.measured_ms,
    readings.c.answered_ms,
    func.coalesce(readings.c.cause, "").label("cause"),
)


def current(store: Store, *, gone: bool = False) -> Sequence[AnyRow]:
    """Every project that is not gone (or, with `gone`, that ever was), with what is known of its Bridge.

    That is: name `target`, the project `of_target` that the Bridge itself belongs to, `simulated`, `paused`, and its
    reading. By id, then Bridge.
    """
    whole = and_(readings.c.target_id == targets.c.id, readings.c.project == "")
    query = (
        select(projects, *OF_TARGET, *OF_READING)
        .join(targets, targets.c.id == projects.c.target_id)
        .outerjoin(readings, whole)
        .order_by(func.lower(projects.c.id), targets.c.name)
    )
    if not gone:
        query = query.where(projects.c.gone_ms.is_(None), targets.c.gone_ms.is_(None))
    with store.read() as connection:
        return connection.execute(query).all()


def bridges(store: Store) -> Sequence[AnyRow]:
    """Every Bridge that is watched, as `current` tells of it, with `project` "". By name."""
    whole = and_(readings.c.target_id == targets.c.id, readings.c.project == "")
    query = (
        select(*OF_TARGET, *OF_READING, func.coalesce(readings.c.project, "").label("project"))
        .outerjoin(readings, whole)
        .where(targets.c.kind == Kind.BRIDGE, targets.c.gone_ms.is_(None))
        .order_by(targets.c.name)
    )
    with store.read() as connection:
        return connection.execute(query).all()


def readings_of(store: Store) -> Sequence[AnyRow]:
    """The reading of every project that is not gone, as `current` tells of its Bridge's, with its `project`."""
    own = and_(readings.c.target_id == targets.c.id, readings.c.project == projects.c.id)
    query = (
        select(*OF_TARGET, *OF_READING, projects.c.id.label("project"))
        .select_from(projects)
        .join(targets, targets.c.id == projects.c.target_id)
        .outerjoin(readings, own)
        .where(projects.c.gone_ms.is_(None), targets.c.gone_ms.is_(None))
        .order_by(func.lower(projects.c.id), targets.c.name)
    )
    with store.read() as connection:
        return connection.execute(query).all()

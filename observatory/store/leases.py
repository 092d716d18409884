"""Leases: of all who would do a job, exactly one does, and another takes over when it falls silent."""

from typing import NamedTuple

from sqlalchemy import case, select, update

from observatory.model import Instant
from observatory.store.engine import Store
from observatory.store.schema import leases
from observatory.store.sql import insert_new


class Lease(NamedTuple):
    holder: str
    epoch: int  # grows by one with each change of holder
    renewed: Instant
    until: Instant


def take(store: Store, name: str, holder: str, now: Instant, seconds: float) -> Lease | None:
    """Take or renew the lease `name` for `seconds`; None while somebody else holds it."""
    until = now + round(seconds * 1000)
    with store.write() as connection:
        first = {"name": name, "holder": holder, "epoch": 1, "renewed_ms": now, "until_ms": until}
        if insert_new(connection, leases, first, key=["name"]):
            return Lease(holder, 1, now, until)
        free = (leases.c.holder == holder) | (leases.c.until_ms <= now)
        epoch = case((leases.c.holder == holder, leases.c.epoch), else_=leases.c.epoch + 1)
        taken = connection.execute(
            update(leases)
            .where(leases.c.name == name, free)
            .values(holder=holder, epoch=epoch, renewed_ms=now, until_ms=until)
            .returning(leases.c.epoch)
        ).scalar()
    return None if taken is None else Lease(holder, taken, now, until)


def release(store: Store, name: str, holder: str, now: Instant) -> None:
    """Let the lease go, so that another need not wait for its end."""
    with store.write() as connection:
        connection.execute(update(leases).where(leases.c.name == name, leases.c.holder == holder).values(until_ms=now))


def current(store: Store, name: str) -> Lease | None:
    with store.read() as connection:
        row = connection.execute(select(leases).where(leases.c.name == name)).first()
    return None if row is None else Lease(row.holder, row.epoch, row.renewed_ms, row.until_ms)

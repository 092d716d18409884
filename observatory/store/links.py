"""Links with which a person chooses a password once: the first administrator's, an invitation, a reset.

The link's secret is known to whoever holds the link; here stands a keyed hash of it.
"""

from sqlalchemy import Connection, delete, insert, select

from observatory.model import Instant
from observatory.store.engine import Store
from observatory.store.schema import links, users
from observatory.store.sql import AnyRow


def make(connection: Connection, user: int, hash_: str, *, now: Instant, expires: Instant) -> None:
    """The link of `user`. An older one stops working."""
    connection.execute(delete(links).where((links.c.user_id == user) | (links.c.expires_ms <= now)))
    connection.execute(insert(links).values(hash=hash_, user_id=user, created_ms=now, expires_ms=expires))


def owner(store: Store, hash_: str, *, now: Instant) -> AnyRow | None:
    """Whose link it is: `id name`; None when it was used, is too old, or its user is disabled."""
    query = (
        select(users.c.id, users.c.name)
        .join(links, links.c.user_id == users.c.id)
        .where(links.c.hash == hash_, links.c.expires_ms > now, users.c.disabled_ms.is_(None))
    )
    with store.read() as connection:
        return connection.execute(query).first()


def take(connection: Connection, hash_: str, *, now: Instant) -> int | None:
    """Use the link up; the user it was for, None when it was used or is too old. Of two who try, one gets it."""
    used = delete(links).where(links.c.hash == hash_, links.c.expires_ms > now).returning(links.c.user_id)
    return connection.execute(used).scalar()


def void(connection: Connection, user: int) -> None:
    connection.execute(delete(links).where(links.c.user_id == user))

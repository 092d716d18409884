"""What people ask the observatory to do. Each request names its actor and is told in the events."""

from observatory.errors import Hidden, NotFound
from observatory.model import Actor, AuditRecord, Event, Instant, Level, title
from observatory.store import probes, targets
from observatory.store.engine import Store


def probe(store: Store, target: str, actor: Actor, now: Instant, *, audited: AuditRecord) -> None:
    """Have `target` read within a second. Raises NotFound, Hidden, and StoreError when the database does not answer."""
    if not actor.sees(targets.project_of(store, target)):
        raise Hidden(f"No service is called {target!r}.")
    told = Event(now, "target.probed", Level.INFO, f"{actor.name} asked {title(target)} to be read now.", target=target)
    if not probes.ask(store, target, now, told, audited):
        raise NotFound(f"No service is called {target!r}.")

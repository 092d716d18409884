"""Makes events of what the broadcast file of this machine says (contract §2.7). Whatever is wrong with it is no concern
of ours, and ends nothing.
"""

from collections.abc import Callable
from pathlib import Path

from observatory import log
from observatory.contract.broadcast import FILE, Broadcast, broadcast
from observatory.model import Instant
from observatory.small_files import content
from observatory.store import broadcasts
from observatory.store.engine import Store

logger = log.get(__name__)


class Broadcasts:
    """Those of the file in `folder`: each type and time is told once, whoever collects."""

    def __init__(self, store: Store, folder: Path, clock: Callable[[], Instant]) -> None:
        self.store, self.folder, self.clock = store, folder, clock
        self.told: tuple[str, Instant] | None = None  # the last one that is in the store

    def look(self) -> None:
        """Raises StoreError, and then tells it the next time."""
        found, now = latest(self.folder), self.clock()
        event = None if found is None else found.event(now)
        if found is None or found.timestamp is None or event is None or (found.type, found.timestamp) == self.told:
            return
        broadcasts.tell(self.store, found.type, found.timestamp, event, now)
        self.told = (found.type, found.timestamp)


def latest(folder: Path) -> Broadcast | None:
    """What stands in the file of `folder`. None when there is none, or none that can be read: that is no fault."""
    path = folder / FILE
    try:
        found = broadcast(content(path))
    except (OSError, ValueError) as error:
        logger.debug("broadcast_ignored", path=str(path), reason=str(error))
        return None
    if found is None:
        logger.debug("broadcast_ignored", path=str(path), reason="no broadcast")
    return found

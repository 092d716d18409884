"""The Nexus Console, as far as its health goes."""

from observatory.clients.base import HEALTH_TIMEOUT, Session
from observatory.contract.nexus import ServiceHealth
from observatory.errors import TargetError
from observatory.model import Cause


class Nexus:
    """Methods raise TargetError; nothing else is expected of them."""

    def __init__(self, session: Session, url: str) -> None:
        self.session, self.url = session, url.rstrip("/")

    def health(self) -> ServiceHealth:
        """Its health; where it serves none, the page itself answering says that it is there."""
        try:
            return self.session.health(f"{self.url}/health")
        except TargetError as error:
            # A development server answers every path with its page: no health, but the console all the same.
            if error.cause not in {Cause.HTTP_ERROR, Cause.MALFORMED}:
                raise
        self.session.success(f"{self.url}/", timeout=HEALTH_TIMEOUT, accept="text/html")
        return ServiceHealth()

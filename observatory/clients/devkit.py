"""The Happy DevKit API."""

from observatory.clients.base import Session
from observatory.clients.prometheus import Exporter
from observatory.contract.devkit import ServiceHealth
from observatory.contract.prometheus import Exposition
from observatory.errors import TargetError
from observatory.model import Cause


class DevKit:
    """Methods raise TargetError; nothing else is expected of them."""

    def __init__(self, session: Session, url: str) -> None:
        self.session, self.url = session, url.rstrip("/")
        self.exporter = Exporter(session, f"{self.url}/metrics")

    def health(self) -> ServiceHealth:
        """Health where the contract has it, else at the older path."""
        try:
            return self.session.health(f"{self.url}/api/health")
        except TargetError as error:
            if error.cause is not Cause.HTTP_ERROR:
                raise
        return self.session.health(f"{self.url}/health")

    def metrics(self) -> Exposition:
        return self.exporter.metrics()

"""The Nexus Console over HTTP: N1, N3, N5."""

from observatory.clients.base import HEALTH_TIMEOUT, READ_TIMEOUT, Session, told_health
from observatory.clients.bridge import idempotent
from observatory.contract.nexus import ConsoleOrder, ConsoleResult, ConsoleTerminals, ServiceHealth, Token
from observatory.errors import TargetError
from observatory.model import Cause


class Nexus:
    """Methods raise TargetError; nothing else is expected of them."""

    def __init__(self, session: Session, url: str) -> None:
        self.session, self.url = session, url.rstrip("/")

    def health(self) -> ServiceHealth:
        """Its health; where it serves none, the page itself answering says that it is there."""
        try:
            answer = self.session.success(f"{self.url}/health", timeout=HEALTH_TIMEOUT)
        except TargetError as error:
            if error.cause is not Cause.HTTP_ERROR:
                raise
        else:
            # A development server answers every path with its page: no health, but the console all the same.
            if not answer.is_html:
                return told_health(answer)
        self.session.success(f"{self.url}/", timeout=HEALTH_TIMEOUT, accept="text/html")
        return ServiceHealth()

    def token(self) -> Token:
        """A token for the console, for whoever the session's own credentials are."""
        return self.session.send(f"{self.url}/api/auth/token", {}, Token, timeout=READ_TIMEOUT)

    def terminal_token(self) -> Token:
        """The same for its terminals."""
        return self.session.send(f"{self.url}/api/terminal/auth", {}, Token, timeout=READ_TIMEOUT)

    def terminals(self) -> ConsoleTerminals:
        return self.session.get(f"{self.url}/api/console/terminals", ConsoleTerminals)

    def execute(self, order: ConsoleOrder, *, key: str) -> ConsoleResult:
        return self.session.send(
            f"{self.url}/api/console/commands", order.body(), ConsoleResult, headers=idempotent(key)
        )

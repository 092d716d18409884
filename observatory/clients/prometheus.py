"""Anything that exposes Prometheus text."""

from observatory.clients.base import Session, cut
from observatory.contract.prometheus import Exposition, NotExposition, Parser
from observatory.errors import TargetError
from observatory.model import Cause

TEXT = "text/plain;version=0.0.4;q=1,text/plain;q=0.5,*/*;q=0.1"


class Exporter:
    """One exposition, at `url` exactly. `metrics` raises TargetError; nothing else is expected of it."""

    def __init__(self, session: Session, url: str) -> None:
        self.session, self.url, self.parser = session, url, Parser()

    def metrics(self) -> Exposition:
        answer = self.session.success(self.url, accept=TEXT)
        try:
            return self.parser.parse(answer.text)
        except NotExposition as error:
            raise TargetError(Cause.MALFORMED, cut(str(error))) from error

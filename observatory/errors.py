"""Every error of the observatory has a place in this tree.

ObservatoryError
├── ConfigurationError      a setting is missing or wrong; carries every fault at once
├── TargetError             a target could not be read; carries the cause and whether trying again can help
├── StoreError              the database did not do what was asked
│   ├── StoreRefused        the database answered and will never take what it was given
│   └── SchemaOutdated      the database is older than this release and must be migrated first
├── Unauthenticated         nobody is signed in, or the session ended
├── Forbidden               somebody is signed in who may not do this
└── NotFound                a thing named in a request does not exist, or is not visible to the caller
"""

from collections.abc import Sequence

from observatory.model import Cause


class ObservatoryError(Exception):
    """The root: catch this to catch everything of ours."""


class ConfigurationError(ObservatoryError):
    """The configuration cannot be used. `faults` lists everything that is wrong, one sentence each."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class TargetError(ObservatoryError):
    """A target could not be read. `permanent` means that trying again cannot help.

    `detail` is for the operator: what was seen, at most the first 200 characters of an answer.
    `retry_after` is what a throttling service asked for, in seconds.
    """

    def __init__(
        self, cause: Cause, detail: str = "", *, permanent: bool = False, retry_after: float | None = None
    ) -> None:
        self.cause, self.detail, self.permanent, self.retry_after = cause, detail, permanent, retry_after
        super().__init__(f"{cause}: {detail}" if detail else str(cause))


class StoreError(ObservatoryError):
    """The database did not do what was asked."""


class SchemaOutdated(StoreError):
    """The database has an older schema than this release. `observatory migrate` brings it forward."""


class StoreRefused(StoreError):
    """The database answered, and will not take what it was given. Trying again cannot help."""


class Unauthenticated(ObservatoryError):
    """Nobody is signed in, or the session ended. The message says which."""


class Forbidden(ObservatoryError):
    """Somebody is signed in who may not do this."""


class NotFound(ObservatoryError):
    """A thing named in a request does not exist, or the caller may not know that it does."""

"""Every error of the observatory has a place in this tree.

ObservatoryError
├── ConfigurationError      a setting is missing or wrong; carries every fault at once
├── TargetError             a target could not be read; carries the cause and whether trying again can help
│   └── TargetRefused       it answered, and will not do what it was asked; carries its status, code and words
├── StoreError              the database did not do what was asked
│   ├── StoreRefused        the database answered and will never take what it was given
│   └── SchemaOutdated      the database is older than this release and must be migrated first
├── Unauthenticated         nobody is signed in, or the session ended
│   └── Expired             the session ran out
├── Forbidden               somebody is signed in who may not do this
│   ├── OutOfProject        may do such things, but not with this project; carries its id
│   └── Unconfirmed         the password has to be given again before this
├── NotFound                a thing named in a request does not exist; carries the ids that were named
│   └── Hidden              it exists, and the caller may not know: it looks like the above
├── Invalid                 what was sent cannot be used; carries every fault
│   └── InvalidProject      a project cannot have such an id; carries it
├── Conflict                what was asked for does not fit what is there
├── Throttled               too many requests; carries when to come back
└── Unavailable             something that this request needs is away; nothing was changed
"""

from collections.abc import Mapping, Sequence

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


class TargetRefused(TargetError):
    """A target understood what it was asked and will not do it: an agent it does not know (404), a step that does not
    fit (409). `code` and `message` are its own and may be empty; `status` tells.
    """

    def __init__(
        self, cause: Cause, detail: str = "", *, status: int, code: str = "", message: str = "", permanent: bool = False
    ) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(cause, detail, permanent=permanent)


class StoreError(ObservatoryError):
    """The database did not do what was asked."""


class SchemaOutdated(StoreError):
    """The database has an older schema than this release. `observatory migrate` brings it forward."""


class StoreRefused(StoreError):
    """The database answered, and will not take what it was given. Trying again cannot help."""


class Unauthenticated(ObservatoryError):
    """Nobody is signed in, or the session ended. The message says which."""


class Expired(Unauthenticated):
    """The token was ours, and its time is over."""


class Forbidden(ObservatoryError):
    """Somebody is signed in who may not do this."""


class Unconfirmed(Forbidden):
    """Somebody may do this once the password was given again, within ten minutes before it."""


class OutOfProject(Forbidden):
    """Somebody may do such things, but not with `project`. That it exists is no secret."""

    def __init__(self, project: str) -> None:
        self.project = project
        super().__init__("Access denied to project")


class NotFound(ObservatoryError):
    """A thing named in a request does not exist. `named` are the ids of the request, as the answer calls them."""

    def __init__(self, message: str = "", **named: str) -> None:
        self.named = named
        super().__init__(message)


class Hidden(NotFound):
    """The thing exists, but the caller may not know that it does: whoever asks is told what `NotFound` says."""


class Invalid(ObservatoryError):
    """What was sent cannot be used. `faults` are dicts with `path` (dotted, "" for the whole) and `message`."""

    def __init__(self, faults: Sequence[Mapping[str, str]]) -> None:
        self.faults = tuple(dict(fault) for fault in faults)
        super().__init__("; ".join(fault["message"] for fault in self.faults))


class InvalidProject(Invalid):
    """No project can have the id `project`."""

    def __init__(self, project: str, faults: Sequence[Mapping[str, str]]) -> None:
        self.project = project
        super().__init__(faults)


class Conflict(ObservatoryError):
    """What was asked for does not fit what is there: a name that is taken, the last administrator."""


class Throttled(ObservatoryError):
    """Too many requests. `group` is the limit that was met, `retry_after` the seconds until it opens again."""

    def __init__(self, group: str, retry_after: int) -> None:
        self.group, self.retry_after = group, retry_after
        super().__init__("Too many requests")


class Unavailable(ObservatoryError):
    """Something that this request needs is away. Nothing was changed."""

"""One HTTP session a target: a small pool, a deadline for the whole request, a size cap, one seam for errors.

Every session shares one SSLContext and ignores the environment's proxies; redirects are not followed.
"""

import json
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import httpcore
import httpx
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from observatory.clients.addresses import Rule, checked, rule_of
from observatory.clients.resolver import SYSTEM, Resolve
from observatory.contract.failure import Failure
from observatory.contract.health import ServiceHealth
from observatory.contract.normalise import instant, mapping
from observatory.errors import TargetError, TargetRefused
from observatory.model import Cause, Instant, Target

HEALTH_TIMEOUT, READ_TIMEOUT, COMMAND_TIMEOUT = 5.0, 10.0, 60.0  # the contract's, in seconds
BODY_LIMIT = 5_000_000
EXCERPT = 200  # characters of an answer that are shown to the operator
ERROR_BODY = 64_000  # as much of an error's body is read, for its reason
RETRY_DEFAULT, RETRY_CAP = 60.0, 900.0
DATE_STEP = 1000  # milliseconds between two values of a Date header
SKEW_FLOOR = 1.0  # seconds: less than this cannot be told from a header that counts whole seconds
IDLE = 5.0  # seconds a connection is kept: for the reads of one scrape, not for the next
SHOWN_ERRORS = 2  # faults of a body that are named
SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]+)?")

Model = TypeVar("Model", bound=BaseModel)


@cache
def tls() -> ssl.SSLContext:
    """The one context of all clients: making one costs 27 ms and most of a megabyte."""
    return ssl.create_default_context()


class Deadline(threading.local):
    """When the request of this thread has to be done, on the monotonic clock; never, outside a request."""

    at = float("inf")

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        self.at = time.monotonic() + seconds
        try:
            yield
        finally:
            self.at = float("inf")

    def left(self, timeout: float | None, late: type[Exception]) -> float | None:
        """The smaller of `timeout` and what is left. Raises `late` when nothing is."""
        if self.at == float("inf"):
            return timeout
        seconds = self.at - time.monotonic()
        if seconds <= 0:
            raise late("the request took too long")
        return seconds if timeout is None else min(timeout, seconds)


class TimedStream(httpcore.NetworkStream):
    """A connection whose every wait ends at the deadline: a server that drips bytes cannot hold us."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self.stream, self.deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, self.deadline.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.stream.write(buffer, self.deadline.left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        with suppress(OSError):  # wakes a thread that waits for the answer, which closing alone does not
            socket.socket.shutdown(self.stream.get_extra_info("socket"), socket.SHUT_RDWR)
        self.stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self.deadline.left(timeout, httpcore.ConnectTimeout)
        return TimedStream(self.stream.start_tls(ssl_context, server_hostname, left), self.deadline)

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


class TimedBackend(httpcore.NetworkBackend):
    """Opens connections that know the deadline, to addresses that were checked and to nothing else."""

    def __init__(self, deadline: Deadline, rule: Rule, resolve: Resolve) -> None:
        self.network, self.deadline, self.rule, self.resolve = httpcore.SyncBackend(), deadline, rule, resolve

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """To the first address of `host` that takes us; each gets its share of the time, as one may swallow it all."""
        fault: Exception = httpcore.ConnectError(f"no address of {host}")
        found = self.addresses(host, self.deadline.left(timeout, httpcore.ConnectTimeout))
        for tried, address in enumerate(found):
            left = self.deadline.left(timeout, httpcore.ConnectTimeout)
            share = None if left is None else left / (len(found) - tried)
            try:
                stream = self.network.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                fault = error
            else:
                return TimedStream(stream, self.deadline)
        raise fault

    def addresses(self, host: str, seconds: float | None) -> Sequence[str]:
        try:
            return checked(host, self.rule, self.resolve, seconds)
        except TimeoutError as error:
            raise TargetError(Cause.TIMEOUT, cut(f"no address of {host} within the time there was")) from error


class Body(httpx.SyncByteStream):
    """The bytes of an answer as they come; closing gives the connection back."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self.stream

    def close(self) -> None:
        self.stream.close()


class Transport(httpx.BaseTransport):
    """httpx on a pool of our own making: httpx's transport has no place for a network backend.

    Errors leave it as httpcore raises them; `failures_named` is where they are given their cause.
    """

    def __init__(self, network: httpcore.NetworkBackend) -> None:
        self.pool = httpcore.ConnectionPool(ssl_context=tls(), keepalive_expiry=IDLE, network_backend=network)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        answer = self.pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=url,
                headers=request.headers.raw,
                content=request.read(),
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            answer.status, headers=answer.headers, stream=Body(answer.stream), extensions=answer.extensions
        )

    def close(self) -> None:
        self.pool.close()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status; the body of a success whole, of anything else its beginning."""

    status: int
    headers: httpx.Headers
    body: bytes
    started: Instant
    received: Instant

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def is_html(self) -> bool:
        return "html" in self.headers.get("content-type", "").lower() or self.text[:200].lstrip().lower().startswith(
            ("<!doctype html", "<html")
        )


class Session:
    """HTTP with one target. `get` and the rest raise TargetError; nothing else is expected of them.

    No request takes longer than `limit` seconds. Without one it is a scrape's: the target's timeout, or its interval.
    Nothing is ever sent twice: no retry, no redirect, and a POST that was not answered may have been obeyed.
    `simulated` and `skew` are what the last answer said of itself; None before the first one, and `skew` also when
    there is no Date header. Threads may share a session. Without a `rule` the one of the target's origin holds.
    """

    def __init__(
        self,
        target: Target,
        *,
        clock: Callable[[], Instant],
        rule: Rule | None = None,
        resolve: Resolve = SYSTEM,
        limit: float | None = None,
    ) -> None:
        scrape = min(target.interval, target.timeout if target.timeout is not None else target.interval)
        self.limit = scrape if limit is None else limit
        self.clock = clock
        self.simulated: bool | None = None
        self.skew: float | None = None
        self.deadline = Deadline()
        headers = {"User-Agent": "happy-observatory", "Accept-Encoding": "gzip", **dict(target.headers)}
        if target.token:
            headers["Authorization"] = f"Bearer {target.token}"
        network = TimedBackend(self.deadline, rule or rule_of(target), resolve)
        self.http = httpx.Client(transport=Transport(network), headers=headers, trust_env=False, follow_redirects=False)

    def close(self) -> None:
        """End the session; a request that is under way in another thread fails at once."""
        self.http.close()

    def answer(
        self,
        url: str,
        *,
        timeout: float = READ_TIMEOUT,
        accept: str = "application/json",
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to a GET, or with a `body` to a POST, of any status. The deadline is for all of it."""
        seconds, started = min(timeout, self.limit), self.clock()
        if self.http.is_closed:
            raise TargetError(Cause.UNREACHABLE, "the session was ended", permanent=True)
        sent = {"Accept": accept, **(headers or {})}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            sent["Content-Type"] = "application/json"
        with (
            failures_named(seconds),
            self.deadline.within(seconds),
            self.http.stream(
                "GET" if content is None else "POST", url, content=content, headers=sent, timeout=seconds
            ) as response,
        ):
            self.simulated = response.headers.get("x-simulated") == "1"
            self.skew = skew_of(response.headers.get("date"), started, self.clock(), self.skew)
            answered = whole(response) if response.is_success else beginning(response)
        return Answer(response.status_code, response.headers, answered, started, self.clock())

    def success(
        self,
        url: str,
        *,
        timeout: float = READ_TIMEOUT,
        accept: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to a GET that was a success."""
        return succeeded(self.answer(url, timeout=timeout, accept=accept, headers=headers), self.skew or 0.0)

    def get(
        self, url: str, model: type[Model], *, timeout: float = READ_TIMEOUT, headers: Mapping[str, str] | None = None
    ) -> Model:
        return parsed(self.success(url, timeout=timeout, headers=headers), model)

    def send(
        self,
        url: str,
        body: Mapping[str, Any],
        model: type[Model],
        *,
        timeout: float = COMMAND_TIMEOUT,
        headers: Mapping[str, str] | None = None,
    ) -> Model:
        """What a POST was answered with. Raises TargetRefused when the service will not do it."""
        answer = self.answer(url, timeout=timeout, body=body, headers=headers)
        return parsed(succeeded(answer, self.skew or 0.0), model)

    def health(self, url: str) -> ServiceHealth:
        return told_health(self.success(url, timeout=HEALTH_TIMEOUT))


def told_health(answer: Answer) -> ServiceHealth:
    """Health by status code (Q27). JSON is read for what it tells, a plain word too; a page is no health."""
    if answer.is_html:
        raise malformed(answer, "a page instead of health")
    try:
        content = from_json(answer.body)
    except ValueError:
        if "json" in answer.headers.get("content-type", "").lower():
            raise malformed(answer, "no JSON") from None
        content = answer.text.strip()
    if isinstance(content, dict):
        return parsed(answer, ServiceHealth)
    return ServiceHealth.model_validate({"status": content})


def segment(id: str) -> str:
    """An id as one segment of a path. Dots alone would be taken for a step upwards."""
    return quote(id, safe="") if id.strip(".") else "%2E" * len(id)


def asking(url: str, **query: str | float | None) -> str:
    """`url` with those of `query` that are there."""
    there = {name: value for name, value in query.items() if value is not None}
    return f"{url}?{urlencode(there, quote_via=quote)}" if there else url


@contextmanager
def failures_named(seconds: float) -> Iterator[None]:
    """The seam: what the network raises becomes a TargetError with its cause."""
    try:
        yield
    except (httpcore.TimeoutException, httpx.TimeoutException) as error:
        raise TargetError(Cause.TIMEOUT, f"no whole answer within {seconds:g} s") from error
    except httpcore.RemoteProtocolError as error:
        text = str(error)
        silent = text.startswith("Server disconnected")
        cause = Cause.UNREACHABLE if silent else Cause.MALFORMED
        raise TargetError(cause, cut("the connection was closed without an answer" if silent else text)) from error
    except (httpcore.NetworkError, OSError) as error:
        raise TargetError(Cause.UNREACHABLE, cut(str(error) or type(error).__name__)) from error
    except (httpcore.UnsupportedProtocol, httpcore.ProtocolError, httpx.HTTPError, httpx.InvalidURL) as error:
        raise TargetError(Cause.UNREACHABLE, cut(str(error)), permanent=True) from error
    except UnicodeError as error:  # a host name that cannot be a host name
        raise TargetError(Cause.UNREACHABLE, cut(f"no such host: {error}"), permanent=True) from error


def cut(text: str) -> str:
    return text[:EXCERPT]


def whole(response: httpx.Response) -> bytes:
    """The decoded body. Raises TargetError when it is over the cap, also after unpacking, or packed wrongly."""
    packing = response.headers.get("content-encoding", "identity").strip().lower()
    if packing in {"", "identity"}:
        return capped(response.iter_raw())
    if packing not in {"gzip", "x-gzip"}:
        raise TargetError(Cause.MALFORMED, cut(f"an encoding we did not ask for: {packing}"))
    try:
        return capped(unpacked(response.iter_raw()))
    except zlib.error as error:
        raise TargetError(Cause.MALFORMED, cut(f"broken gzip: {error}")) from error


def capped(chunks: Iterable[bytes]) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > BODY_LIMIT:
            raise TargetError(Cause.MALFORMED, "body over 5 MB")
    return bytes(body)


def unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """gzip in small steps, so that a bomb is stopped by the cap and never stands in memory."""
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    for chunk in chunks:
        while chunk:
            yield stream.decompress(chunk, 65_536)
            chunk = stream.unconsumed_tail
    yield stream.flush()
    if not stream.eof:
        raise zlib.error("it ends too early")


def beginning(response: httpx.Response) -> bytes:
    """What can be had of an error's body. Its status is the cause, so nothing that happens here is."""
    body = bytearray()
    try:
        for chunk in response.iter_raw():
            body += chunk
            if len(body) >= ERROR_BODY:
                break
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError):
        pass
    packed = response.headers.get("content-encoding", "").lower() in {"gzip", "x-gzip"}
    if not packed:
        return bytes(body)
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(bytes(body), ERROR_BODY)
    except zlib.error:
        return b""


def succeeded(answer: Answer, skew: float) -> Answer:
    """The answer itself, if its status says success. `skew` is for a Retry-After that names a time."""
    status = answer.status
    if 200 <= status < 300:
        return answer
    if status == 429:
        raise TargetError(Cause.THROTTLED, said(answer), retry_after=retry_after(answer, skew))
    if 400 <= status < 500:
        raise refused(answer)
    raise TargetError(Cause.HTTP_ERROR, said(answer))


def refused(answer: Answer) -> TargetRefused:
    """With what the service says of it, where that is the contract's error body."""
    told = Failure()
    with suppress(ValueError):  # an error need not be JSON, and its body may be cut
        told = Failure.model_validate(from_json(answer.body))
    denied = answer.status in {401, 403}
    return TargetRefused(
        Cause.REJECTED if denied else Cause.HTTP_ERROR,
        said(answer),
        status=answer.status,
        code=told.code,
        message=cut(told.words),
        permanent=denied,
    )


def said(answer: Answer) -> str:
    """Status and the beginning of what came with it."""
    if 300 <= answer.status < 400:
        return cut(f"{answer.status}, redirects to {answer.headers.get('location', 'nowhere')}")
    text = " ".join(answer.text.split())
    return cut(f"{answer.status}: {text}" if text else str(answer.status))


def retry_after(answer: Answer, skew: float) -> float:
    """Seconds a throttling service wants us to wait, in any form in use: 60 when it does not say, 900 at most."""
    named = answer.headers.get("retry-after", "").strip()
    now = answer.received + skew * 1000
    candidates: list[float | None] = [
        float(named) if SECONDS.fullmatch(named) else until(named, now),
        body_retry_after(answer),
        until(answer.headers.get("x-ratelimit-reset", ""), now),
    ]
    seconds = next((value for value in candidates if value is not None), RETRY_DEFAULT)
    return min(max(seconds, 0.0), RETRY_CAP)


def until(moment: str, now: float) -> float | None:
    """Seconds from `now`, in milliseconds by their clock, until a moment that a header names."""
    at = instant(moment)
    return None if at is None else (at - now) / 1000


def body_retry_after(answer: Answer) -> float | None:
    try:
        value = mapping(from_json(answer.body)).get("retryAfter")
        return float(value) if isinstance(value, int | float | str) and 0 <= float(value) < 1e9 else None
    except ValueError:
        return None


def parsed(answer: Answer, model: type[Model]) -> Model:
    """The body as `model`. Raises TargetError when it is no JSON, reports an error, or has another shape."""
    if answer.is_html:
        raise malformed(answer, "a page instead of JSON")
    try:
        content = from_json(answer.body)
    except ValueError:
        raise malformed(answer, "no JSON") from None
    if isinstance(content, dict) and content.get("error") and not getattr(model, "tells_errors", False):
        raise malformed(answer, "an error with status 200")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise malformed(answer, shape_faults(error)) from error


def shape_faults(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    named = [f"{'.'.join(str(part) for part in fault['loc']) or 'body'}: {fault['msg']}" for fault in found]
    return cut("; ".join(named[:SHOWN_ERRORS]))


def malformed(answer: Answer, what: str) -> TargetError:
    """The fault and as much of the answer as the limit leaves room for."""
    return TargetError(Cause.MALFORMED, cut(f"{what}: {' '.join(answer.text[:EXCERPT].split())}"))


def skew_of(date: str | None, started: Instant, received: Instant, before: float | None) -> float | None:
    """Their clock minus ours in seconds, from a Date header; 0.0 for what the header cannot tell from agreement.

    The header counts whole seconds and was written some time between asking and its arrival, so it gives a range.
    While the estimate from before lies in it, that one stays: corrected times must not jump about with the fraction.
    """
    if not date:
        return None
    try:
        theirs = parsedate_to_datetime(date).timestamp() * 1000
    except (ValueError, TypeError, OverflowError):
        return None
    low, high = (theirs - received) / 1000, (theirs + DATE_STEP - started) / 1000
    if before is not None and low <= before <= high:
        return before
    agrees = low <= SKEW_FLOOR and high >= -SKEW_FLOOR
    return 0.0 if agrees else round((low + high) / 2, 3)

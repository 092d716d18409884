"""What the tests of the web process share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.website import Website


@pytest.fixture(scope="session")
def static_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where compressed files are kept: they are named by content, so all tests of this process share them."""
    return tmp_path_factory.mktemp("static")


@pytest.fixture
def make_website(tmp_path: Path, static_cache: Path) -> Iterator[Callable[..., Website]]:
    """Makes a dashboard with four people and a database of its own; arguments are fields of Services, or `cache`."""
    made: list[Website] = []

    def make(*, cache: Path = static_cache, **settings: Any) -> Website:
        made.append(Website(tmp_path, cache, **settings))
        return made[-1]

    yield make
    for website in made:
        website.close()


@pytest.fixture
def website(make_website: Callable[..., Website]) -> Website:
    return make_website()

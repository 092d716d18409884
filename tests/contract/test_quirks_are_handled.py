"""Each quirk's test fails once its handling is taken out."""

import pytest

from tests.contract.sabotage import HANDLED, noticed, times
from tests.contract.test_quirks import QUIRKS


@pytest.mark.parametrize("quirk", QUIRKS)
def test_a_quirk_is_handled_where_it_is_said_to_be(quirk: str) -> None:
    assert times(HANDLED[quirk]) == 1, f"Name the line that handles {quirk} now: {HANDLED[quirk]}"


@pytest.mark.slow
@pytest.mark.parametrize("quirk", QUIRKS)
def test_a_quirk_that_is_not_handled_fails_its_test(quirk: str, full_size: bool) -> None:
    if not full_size and quirk not in {"q01", "q23"}:
        pytest.skip("all of them in full size")
    assert noticed(quirk, HANDLED[quirk])[0]
    if quirk == "q01":  # the control: nothing taken out, nothing noticed
        assert noticed(quirk, None)[0] == []

import pytest

from observatory.contract import normalise
from observatory.model import Health

QUARTER_PAST = 1_756_797_300_000  # 2025-09-02T07:15:00Z


@pytest.mark.parametrize(
    "told",
    [
        "2025-09-02T07:15:00.000Z", "2025-09-02T07:15:00Z", "2025-09-02T07:15:00", "2025-09-02T07:15:00.000000",
        "2025-09-02 07:15:00", "2025-09-02T09:15:00+02:00", QUARTER_PAST, QUARTER_PAST / 1000, 1_756_797_300,
        str(QUARTER_PAST), "Tue, 02 Sep 2025 07:15:00 GMT",
        "Tue Sep 02 2025 09:15:00 GMT+0200 (Central European Summer Time)",
    ],
)  # fmt: skip
def test_every_form_of_time_is_the_same_instant(told: object) -> None:
    assert normalise.instant(told) == QUARTER_PAST


@pytest.mark.parametrize(
    "told", [None, "", "yesterday", True, {}, [], float("nan"), float("inf"), -5, 0, 10**400, 1e300, "9" * 400]
)
def test_a_time_that_is_none_is_unknown(told: object) -> None:
    assert normalise.instant(told) is None


@pytest.mark.parametrize("told", [None, -1, -0.001, float("inf"), float("-inf"), float("nan"), 10**400])
def test_a_number_that_cannot_be_is_dropped(told: object) -> None:
    assert normalise.number(told) is None


@pytest.mark.parametrize("told", ["12", True, [], {}])
def test_what_is_no_number_is_a_fault(told: object) -> None:
    with pytest.raises(ValueError, match="not a number"):
        normalise.number(told)


@pytest.mark.parametrize(
    ("told", "ratio"), [(0.978, 0.978), (97.8, 0.978), (1, 1.0), (0, 0.0), (100, 1.0), (101, None), (None, None)]
)
def test_a_rate_is_a_fraction_whichever_way_it_came(told: object, ratio: float | None) -> None:
    assert normalise.rate(told) == (None if ratio is None else pytest.approx(ratio))


def test_a_percentage_below_one_stays_a_percentage() -> None:
    assert normalise.percent(0.5) == 0.005


def test_progress_is_never_above_a_hundred() -> None:
    assert normalise.progress(140) == 100
    assert normalise.progress(-3) is None


def test_health_words_are_read_without_case_and_unknown_ones_are_none() -> None:
    assert normalise.health_of("OK") is Health.HEALTHY
    assert normalise.health_of("degraded") is Health.DEGRADED
    assert normalise.health_of("splendid") is None
    assert normalise.health_of(None) is None

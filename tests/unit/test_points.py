"""Samples as bytes: whatever goes in comes out, and the later of two words wins in any order."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from observatory.store.points import compress, decompress, empty, last_of_each, newest, pack, unpack
from observatory.store.samples import merged

# Few series and few moments, so that records meet; any value a socket can bring.
Record = tuple[int, int, float]
moments = st.integers(0, 6) | st.integers(-(2**62), 2**62)
values = st.floats(allow_nan=True, allow_infinity=True)
records = st.lists(st.tuples(st.integers(1, 4), moments, values), max_size=40)


def packed(rows: list[Record]) -> np.ndarray:
    return pack([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])


def bits(value: float) -> object:
    """Something that is equal for equal values, NaN too, and tells -0.0 from 0.0."""
    return "nan" if math.isnan(value) else (value, math.copysign(1, value))


def rows_of(points: np.ndarray) -> list[tuple[int, int, object]]:
    return [(int(p["series"]), int(p["at"]), bits(float(p["value"]))) for p in points]


@given(records, records)
def test_packed_records_come_back_in_their_order(first: list[Record], second: list[Record]) -> None:
    back = unpack(packed(first).tobytes(), packed(second).tobytes())

    assert rows_of(back) == [(s, at, bits(v)) for s, at, v in first + second]


def test_nothing_is_nothing() -> None:
    assert len(unpack()) == len(unpack(b"", b"")) == len(empty()) == 0
    assert len(last_of_each(empty())) == len(newest(empty())) == 0


@given(st.lists(st.tuples(moments, values), min_size=1, max_size=60))
def test_compressed_columns_come_back_bit_by_bit(points: list[tuple[int, float]]) -> None:
    at, value = np.array([p[0] for p in points], dtype=np.int64), np.array([p[1] for p in points])

    back_at, back_value = decompress(compress(at, value))

    assert back_at.dtype == np.int64 and back_value.dtype == np.float64
    assert back_at.tolist() == at.tolist()
    assert back_value.tobytes() == value.tobytes()


def test_columns_of_packed_records_are_compressed_as_they_are() -> None:
    points = packed([(1, 10, 0.5), (1, 20, 1.5)])

    at, value = decompress(compress(points["at"], points["value"]))

    assert (at.tolist(), value.tolist()) == ([10, 20], [0.5, 1.5])


@given(records)
def test_of_records_for_one_moment_the_last_stays(rows: list[Record]) -> None:
    model = {(series, at): bits(value) for series, at, value in rows}

    assert rows_of(last_of_each(packed(rows))) == [(*key, model[key]) for key in sorted(model)]


@given(records)
def test_the_newest_of_each_series(rows: list[Record]) -> None:
    model: dict[int, tuple[int, object]] = {}
    for series, at, value in rows:
        if series not in model or at >= model[series][0]:
            model[series] = (at, bits(value))

    assert rows_of(newest(packed(rows))) == [(series, *model[series]) for series in sorted(model)]


@given(st.lists(st.tuples(moments, values), max_size=40))
def test_merging_keeps_each_moment_once_in_order_and_the_later_word(points: list[tuple[int, float]]) -> None:
    at, value = np.array([p[0] for p in points], dtype=np.int64), np.array([p[1] for p in points], dtype=np.float64)
    model = {moment: bits(v) for moment, v in points}

    merged_at, merged_value = merged(at, value)

    assert merged_at.tolist() == sorted(model)
    assert [bits(v) for v in merged_value.tolist()] == [model[moment] for moment in sorted(model)]

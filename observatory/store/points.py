"""Samples as bytes: packed records for what is recent, pcodec columns for what is older."""

import struct
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from pcodec import ChunkConfig, standalone

POINT = np.dtype([("series", "<i4"), ("at", "<i8"), ("value", "<f8")])  # 20 bytes a record, no padding
Points: TypeAlias = npt.NDArray[np.void]

_config = ChunkConfig()


def empty() -> Points:
    return np.empty(0, dtype=POINT)


def pack(series: list[int], at: list[int], value: list[float]) -> Points:
    """Records of shape (n,) from three lists of length n."""
    points = np.empty(len(series), dtype=POINT)
    points["series"], points["at"], points["value"] = series, at, value
    return points


def unpack(*blobs: bytes) -> Points:
    """The records of all blobs, in their order."""
    return np.frombuffer(b"".join(blobs), dtype=POINT)


def last_of_each(points: Points) -> Points:
    """One record a (series, at), the later one in `points` winning; sorted by series, then at."""
    if len(points) < 2:
        return points
    order = np.lexsort((np.arange(len(points)), points["at"], points["series"]))
    ordered = points[order]
    same = (ordered["series"][1:] == ordered["series"][:-1]) & (ordered["at"][1:] == ordered["at"][:-1])
    kept: Points = ordered[np.append(~same, True)]
    return kept


def newest(points: Points) -> Points:
    """One record a series: its newest."""
    ordered = last_of_each(points)
    if len(ordered) < 2:
        return ordered
    kept: Points = ordered[np.append(ordered["series"][1:] != ordered["series"][:-1], True)]
    return kept


def compress(at: npt.NDArray[np.int64], value: npt.NDArray[np.float64]) -> bytes:
    """Two columns of one series as one blob: length of the first, then both.

    They are copied: a column of packed records is not aligned, which the compressor refuses.
    """
    times, values = shrink(np.array(at, dtype=np.int64)), shrink(np.array(value, dtype=np.float64))
    return struct.pack("<I", len(times)) + times + values


def decompress(blob: bytes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    (length,) = struct.unpack_from("<I", blob)
    return unshrink(blob[4 : 4 + length]), unshrink(blob[4 + length :])


def shrink(column: npt.NDArray[Any]) -> bytes:
    """A column of 64-bit numbers, at least one, compressed."""
    blob: bytes = standalone.simple_compress(np.ascontiguousarray(column), _config)
    return blob


def unshrink(blob: bytes) -> npt.NDArray[Any]:
    column: npt.NDArray[Any] | None = standalone.simple_decompress(blob)
    assert column is not None  # noqa: S101 — what shrink wrote is never empty
    return column

"""Numbers that move by themselves: pure functions of a seed, a name and a time in epoch milliseconds."""

from collections.abc import Callable
from math import cos, floor, pi, sin
from random import Random

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
EPOCH = 1_735_689_600_000  # 2025-01-01T00:00:00Z: every counter is 0 then
MASK = (1 << 64) - 1
# Period in ms, share of the swing. The short ones make a number move between two looks at it.
PERIODS = ((7.3 * HOUR, 0.22), (51 * MINUTE, 0.2), (11 * MINUTE, 0.16), (149 * SECOND, 0.1), (37 * SECOND, 0.06))
DAY_SHARE, JITTER_SHARE = 0.18, 0.08
PEAK = 14.5 * HOUR  # the busiest moment of the day, UTC


def draw(seed: int, *names: object) -> Random:
    """A generator of its own for each name, the same in every process."""
    return Random(f"{seed}/{'/'.join(map(str, names))}")


def daylight(t: int) -> float:
    """The rhythm of the day, from -1 in the night to 1 in the afternoon."""
    return cos(2 * pi * ((t - PEAK) % DAY) / DAY)


def wave(seed: int, name: str, low: float, high: float, *, decimals: int = 1) -> Callable[[int], float]:
    """A bounded course between `low` and `high`: sines, the rhythm of the day and a step every 10 s."""
    rng = draw(seed, name)
    terms = [(share, 2 * pi / period, rng.uniform(0, 2 * pi)) for period, share in PERIODS]
    key = rng.getrandbits(64)
    middle, swing = (low + high) / 2, (high - low) / 2

    def at(t: int) -> float:
        x = DAY_SHARE * daylight(t) + JITTER_SHARE * jitter(key, t // (10 * SECOND))
        for share, speed, phase in terms:
            x += share * sin(speed * t + phase)
        value = round(middle + swing * x, decimals)
        return value if decimals else int(value)

    return at


def counter(seed: int, name: str, per_hour: float) -> Callable[[int], int]:
    """A count that never falls: the integral of a rate that swings but stays above nothing. 0 before EPOCH."""
    rng = draw(seed, name)
    swings = ((0.3, 5 * HOUR), (0.2, 23 * MINUTE))
    terms = [(share, 2 * pi / period, rng.uniform(0, 2 * pi)) for share, period in swings]
    terms.append((0.35, 2 * pi / DAY, pi / 2 - 2 * pi * PEAK / DAY))

    def at(t: int) -> int:
        x = t - EPOCH
        if x <= 0:
            return 0
        total = float(x)
        for share, speed, phase in terms:
            total += share / speed * (cos(phase) - cos(speed * x + phase))
        return floor(total * per_hour / HOUR)

    return at


def jitter(key: int, step: int) -> float:
    """A number in [-1, 1) that belongs to `step`."""
    n = (key ^ (step * 0x9E3779B97F4A7C15)) & MASK
    n = ((n ^ (n >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    n = ((n ^ (n >> 27)) * 0x94D049BB133111EB) & MASK
    return ((n ^ (n >> 31)) >> 11) / (1 << 52) - 1

"""What counters say: they only rise, and begin anew when their service does."""

import numpy as np
import numpy.typing as npt


def increase(values: npt.NDArray[np.float64]) -> float:
    """How much a counter has risen over `values`, in order of time. 0.0 for fewer than two.

    A counter that is lower than before was restarted, and has risen by what it shows since (Q28).
    """
    steps = np.diff(values)
    return float(np.where(steps < 0, values[1:], steps).sum()) if len(values) > 1 else 0.0

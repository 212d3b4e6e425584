"""Which entities are forecast at an origin."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nightcast.domain.calendar_view import Day
from nightcast.domain.pipeline import Forecast
from nightcast.domain.windows import History, Past


def universe(history: History, origin: Day, forecast: Forecast) -> npt.NDArray[np.intp]:
    """Indices of the entities whose target was above zero on enough of the trailing calendar days.

    Only days up to the origin are read. The order is that of the cube's keys.
    """
    everyone = np.arange(history.cube.keys.num_rows)
    rule = forecast.universe
    active = Past(history, origin, everyone).active_days(forecast.target, rule.trailing_days)
    return np.flatnonzero(active >= rule.min_active_days)

"""How a model is made, as its team declared it: level, training rows, calibration, estimator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nightcast.domain.contract import FORBID_UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Level of an entity at the origin: max(sum of weight * rolling mean over window, floor), in target units."""

    __pydantic_config__ = FORBID_UNKNOWN

    blend: Mapping[int, float]  # window in days -> weight
    floor: float  # above 0, in target units


@dataclass(frozen=True, kw_only=True)
class Training:
    """Training rows: `origins` origins, `every_days` apart, the newest a horizon before the snapshot's end."""

    __pydantic_config__ = FORBID_UNKNOWN

    origins: int = 52  # how many
    every_days: int = 7  # how far apart
    sample: float = 1.0  # share of rows kept, chosen by a hash of key, origin and target date

    def __post_init__(self) -> None:
        if self.origins < 2 or self.every_days < 1:
            raise ValueError(f"origins is {self.origins}, every_days {self.every_days}; expected at least 2 and 1")
        if not 0 < self.sample <= 1:
            raise ValueError(f"sample is {self.sample}; expected a share above 0, up to 1")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Split-conformal quantiles: a table of y / prediction by bins of the predicted level.

    The newest `origins + gap_origins` training origins are left out of a first fit; it predicts the newest
    `origins`, and the gap before them keeps their labels apart from those of the fit.
    """

    __pydantic_config__ = FORBID_UNKNOWN

    origins: int = 8  # how many of the newest are held out
    gap_origins: int = 2  # left out before those
    level_bins: int = 20  # equal-count bins of the predicted level
    sub_bins: int = 1  # within each level bin, equal-count bins of `sub_bins_of`
    sub_bins_of: str | None = None  # the name of a feature column, e.g. active_share_units_91

    def __post_init__(self) -> None:
        if (self.sub_bins > 1) != (self.sub_bins_of is not None):
            raise ValueError("sub_bins above 1 and sub_bins_of go together")


@dataclass(frozen=True, kw_only=True)
class Model:
    """How the model is made. `parameters` go to the estimator of `family` as they are."""

    __pydantic_config__ = FORBID_UNKNOWN

    family: str  # one of domain.families.FAMILIES
    parameters: Mapping[str, Any]  # of the family, below
    scale: Scale  # the level that labels are divided by
    cap: float | None = None  # training labels are cut at cap * max(blend, 1); never when scoring
    bias_correction: float = 1.0  # share of what the cap and the loss take from the training total that means get back
    training: Training = Training()  # which rows it learns from
    calibration: Calibration = Calibration()  # how quantiles are made
    seed: int = 0  # of everything that is drawn

    def __post_init__(self) -> None:
        if not 0 <= self.bias_correction <= 1:
            raise ValueError(f"bias_correction is {self.bias_correction}; expected a share from 0 to 1")

"""What the monitors look at beside the whole of a night, as a team declares it."""

from __future__ import annotations

from dataclasses import dataclass

from nightcast.domain.contract import FORBID_UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    """Parts of a night that are watched on their own.

    `slices` are columns of the source with role attribute: the levels of each split the rows, and drift is measured
    in its largest levels and in the rest of them together.
    """

    __pydantic_config__ = FORBID_UNKNOWN

    slices: tuple[str, ...] = ()

"""Tonight among its own past: the nights that it is compared with, and where its drift lies among theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from nightcast.domain.night import DayState

NIGHTS = 8  # of a same-weekday reference
PROVISIONAL_BELOW = 30  # nights: among fewer no rank can fall to 1 in 30, whatever happens


def rank(value: float, history: Sequence[float]) -> tuple[float, int]:
    """Where a value lies among earlier ones, and how many these are.

    The rank is (1 + number of earlier values that are at least as large) / (1 + n), above 0 and at most 1: small is
    unusual. Were all nights exchangeable, a rank of at most a would come up with probability at most a (the conformal
    p-value of Vovk, Gammerman and Shafer 2005). It cannot fall below 1 / (1 + n).
    """
    n = len(history)
    return (1 + sum(past >= value for past in history)) / (1 + n), n


def same_weekday_reference(days: Mapping[date, DayState], origin: date, n: int = NIGHTS) -> tuple[date, ...]:
    """The last `n` accepted days strictly before `origin` with its weekday, oldest first; fewer if there are fewer."""
    accepted = (day for day, state in days.items() if state is DayState.ACCEPTED)
    twins = [day for day in accepted if day < origin and day.weekday() == origin.weekday()]
    return tuple(sorted(sorted(twins, reverse=True)[:n]))


def provisional(n: int) -> bool:
    """Whether a rank among `n` nights is not to be relied on yet."""
    return n < PROVISIONAL_BELOW

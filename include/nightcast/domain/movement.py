"""What part of a distribution moved, in words: which levels or ranges gained and lost share.

Each function takes two aligned profiles and says what the statistics that read them so have seen. Shares are those
that the statistic compares: of all rows where missing values are a bin, else of the values that are not missing.
Ranges of numbers have the edges of the reference's bins.
"""

from __future__ import annotations

import numpy as np

from nightcast.domain.aligned import Aligned
from nightcast.domain.distances import Floats, Integers, standard_deviation

MOST = 3  # levels that are named
MINOR = 0.2  # levels that moved by less than this part of the first are not named
LONGEST = 40  # characters of a level's name


def change(before: float, now: float) -> str:
    """`rose from 9.8 % to 15.1 %`, with as many digits as tell the two apart."""
    verb = "rose" if now > before else "fell"
    digits = next((d for d in range(1, 6) if _percent(before, d) != _percent(now, d)), 6)
    return f"{verb} from {_percent(before, digits)} to {_percent(now, digits)}"


def shares(seen: Aligned) -> str:
    """The levels that moved most; of numbers, the ranges that gained and lost most, and the missing ones."""
    if seen.at is None:
        return largest(seen)
    p, q = _of_bins(seen)
    moved = p - q
    gain, loss = _range_of(moved[:-1]), _range_of(-moved[:-1])
    covered = p + q == 0
    covered[gain] = covered[loss] = True
    rest = moved[-1] or not covered[:-1].all()
    said = [
        (abs(np.sum(moved[run])), f"share {_between(seen, run)} {change(np.sum(q[run]), np.sum(p[run]))}")
        for run in ((gain, loss) if rest else (gain,))  # else what was lost is what was gained
        if np.sum(moved[run])
    ]
    if moved[-1]:
        said.append((abs(moved[-1]), missing(seen)))
    most = max((size for size, _ in said), default=0)
    return "; ".join(text for size, text in sorted(said, key=_size) if size >= MINOR * most)


def largest(seen: Aligned) -> str:
    """The levels, missing ones too, whose shares moved most."""
    p, q = (counts / np.float64(np.sum(counts)) for counts in seen.by_level())
    sizes = np.abs(p - q)
    order = [i for i in np.argsort(-sizes, kind="stable")[:MOST] if sizes[i] and sizes[i] >= MINOR * sizes.max()]
    return "; ".join(f"{_level(seen, i)} {change(q[i], p[i])}" for i in order)


def cut(seen: Aligned) -> str:
    """The number above which the share moved most."""
    assert seen.at is not None
    above = [1 - np.cumsum(counts) / np.float64(np.sum(counts)) for counts in (seen.current, seen.reference)]
    at = int(np.argmax(np.abs(above[0] - above[1])))
    return f"share above {_number(seen.at[at])} {change(above[1][at], above[0][at])}"


def moments(seen: Aligned) -> str:
    """Mean and standard deviation of the finite values."""
    assert seen.at is not None
    finite = np.isfinite(seen.at)
    said = []
    for name, of in (("mean", _mean), ("standard deviation", standard_deviation)):
        now, before = (of(counts[finite], seen.at[finite]) for counts in (seen.current, seen.reference))
        if _number(now) != _number(before):
            said.append(f"{name} {'rose' if now > before else 'fell'} from {_number(before)} to {_number(now)}")
    return ", ".join(said) or f"mean and standard deviation stayed as they were; {cut(seen)}"


def missing(seen: Aligned) -> str:
    """How the share of missing values moved."""
    return f"missing {change(seen.missing[1] / seen.rows[1], seen.missing[0] / seen.rows[0])}"


def new(seen: Aligned) -> str:
    """The levels that the reference has not; of numbers, those beyond its range."""
    if seen.at is None:
        return "new: " + _listed(seen, seen.current, seen.outside)
    return _beyond(seen, seen.current, seen.reference, "the reference ends there")


def gone(seen: Aligned) -> str:
    """The levels that are no longer there; of numbers, the part of the reference beyond what is there."""
    if seen.at is None:
        return "gone: " + _listed(seen, seen.reference, seen.gone)
    return _beyond(seen, seen.reference, seen.current, "nothing is there now")


def _size(said: tuple[float, str]) -> float:
    return -round(said[0], 9)  # rounding must not decide what is told first


def _of_bins(seen: Aligned) -> tuple[Floats, Floats]:
    """Shares of the bins of numbers, empty ones too; missing values last."""
    bins = int(np.max(seen.bin_of, initial=-1)) + 1
    counted = [np.bincount(seen.bin_of, c, bins) for c in (seen.current, seen.reference)]
    p, q = (np.append(c, gap) / n for c, gap, n in zip(counted, seen.missing, seen.rows, strict=True))
    return p, q


def _range_of(moved: Floats) -> slice:
    """The run of bins with the largest sum (Kadane)."""
    best, start, total, found = -np.inf, 0, 0.0, slice(0, 0)
    for at, value in enumerate(moved):
        if total <= 0:
            start, total = at, 0.0
        total += value
        if total > best:
            best, found = total, slice(start, at + 1)
    return found


def _between(seen: Aligned, bins: slice) -> str:
    """`above 12`, `up to 3`, `from 3 to 12` or `of 7`: where the numbers of a run of bins lie."""
    assert seen.at is not None
    inside = np.flatnonzero((seen.bin_of >= bins.start) & (seen.bin_of < bins.stop))
    first, last = inside[0], inside[-1]
    if first == last:
        return f"of {_number(seen.at[first])}"
    if first == 0:
        return f"up to {_number(seen.at[last])}"
    if last == len(seen.at) - 1:
        return f"above {_number(seen.at[first - 1])}"
    return f"from {_number(seen.at[first])} to {_number(seen.at[last])}"


def _beyond(seen: Aligned, counts: Integers, range_of: Integers, why: str) -> str:
    """Which shares of the counts lie below and above the numbers of the other side."""
    assert seen.at is not None
    reached, own, n = np.flatnonzero(range_of), np.flatnonzero(counts), np.sum(counts)
    if not len(reached):
        return f"{_percent(1.0, 1)}, as the other side has no numbers"
    below, above = np.sum(counts[: reached[0]]), np.sum(counts[reached[-1] + 1 :])
    said = []
    if below:
        said.append(f"{_share(below / n)} below {_number(seen.at[reached[0]])}, down to {_number(seen.at[own[0]])}")
    if above:
        said.append(f"{_share(above / n)} above {_number(seen.at[reached[-1]])}, up to {_number(seen.at[own[-1]])}")
    return "; ".join(said) + f" ({why})"


def _listed(seen: Aligned, counts: Integers, where: np.ndarray) -> str:
    """The levels with the largest counts, and how many more there are."""
    order = [i for i in np.argsort(-counts, kind="stable") if where[i] and counts[i]]
    n = np.sum(counts)
    named = [f"{_name(seen, i)} ({_share(counts[i] / n)})" for i in order[:MOST]]
    rest = order[MOST:]
    return ", ".join(named) + (f" and {len(rest)} more ({_share(np.sum(counts[rest]) / n)})" if rest else "")


def _level(seen: Aligned, at: int) -> str:
    return "missing" if at == len(seen.levels) else f"level {_name(seen, at)}"


def _name(seen: Aligned, at: int) -> str:
    name = " ".join(seen.levels[at].split()) or '""'
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _mean(counts: Integers, at: Floats) -> float:
    return float(np.sum(counts * at) / np.sum(counts))


def _number(value: float) -> str:
    return f"{value:,.5g}"


def _share(value: float) -> str:
    digits = next((d for d in range(1, 6) if float(_percent(value, d)[:-2])), 6)
    return _percent(value, digits)


def _percent(share: float, digits: int) -> str:
    text = f"{100 * share:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if share in (0, 1) else text} %"

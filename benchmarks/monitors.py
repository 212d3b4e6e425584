"""The statistics of a night's drift and accuracy, over 41,000 rows of 12 columns: a second of CPU at most."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.harness import Line, Progress, measure, side_by_side
from benchmarks.place import Place

ROWS, COLUMNS, LIMIT = 41_000, 12, 1.0
REFERENCE = 8  # nights


def lines(place: Place, sizes: list[int], runs: int, progress: Progress) -> list[Line]:
    """Both monitors, at the size of a real night whatever `sizes` says."""
    del place, sizes
    progress(f"monitors: {ROWS} rows of {COLUMNS} columns, {runs} × each")
    found = side_by_side(
        runs,
        profile=lambda: measure(profile),
        drift=lambda: measure(drift),
        accuracy=lambda: measure(accuracy),
    )
    names = {
        "profile": "profiles of a night's columns: CPU",
        "drift": f"drift of a night against {REFERENCE}, all statistics: CPU",
        "accuracy": "accuracy of a night, all metrics in all buckets: CPU",
    }
    return [
        Line(subject="monitors", name=names[name], unit="CPU-s", ours=cost.cpu, other=LIMIT,
             against="a limit of one CPU-second", goal=1.0, runs=runs)
        for name, cost in found.items()
    ]  # fmt: skip


def _night(seed: int) -> dict:
    from nightcast.domain.profile import Kind

    rng = np.random.default_rng(seed)
    names = np.array([f"level {n}" for n in range(40)])
    numbers = {f"number {n}": (Kind.NUMBER, rng.gamma(2.0, 10.0 + n, ROWS)) for n in range(COLUMNS * 2 // 3)}
    levels = {f"level {n}": (Kind.CATEGORY, names[rng.zipf(1.7, ROWS).clip(max=40) - 1]) for n in range(COLUMNS // 3)}
    return numbers | levels


def profile() -> Iterator[None]:
    """What `validate` and `predict` do once per night."""
    from nightcast.domain.profile import profile_table

    columns = _night(1)
    yield
    return len(profile_table(columns))


def drift() -> Iterator[None]:
    """Merging the reference's profiles, and every statistic of every column."""
    from nightcast.domain import drift as statistics
    from nightcast.domain.profile import merge, profile_table

    current = profile_table(_night(1))
    nights = [profile_table(_night(seed)) for seed in range(2, 2 + REFERENCE)]
    yield
    found = 0
    for name, now in current.items():
        found += len(list(statistics.compare(now, merge(*(night[name] for night in nights)), words=True)))
    return found


def accuracy() -> Iterator[None]:
    """Every metric of a whole night's forecasts in every bucket of days ahead and three slices."""
    from datetime import date, timedelta

    from nightcast.domain import accuracy as measured

    rng, horizon = np.random.default_rng(3), 14
    ahead = np.arange(ROWS) % horizon + 1
    mean = rng.gamma(2.0, 3.0, ROWS)
    actual = rng.poisson(mean)
    rows = measured.Compared(
        actual=actual,
        mean=mean,
        quantiles=np.stack([mean * 0.3, mean * 0.9, mean * 1.7], axis=1),
        naive=rng.poisson(mean).astype(float),
        scale_absolute=np.full(ROWS, 2.0),
        scale_squared=np.full(ROWS, 5.0),
        entity=np.arange(ROWS) // horizon,
        ahead=ahead,
    )
    origin = date(2024, 6, 1)
    days = [origin + timedelta(days=n + 1) for n in range(horizon)]
    parts = measured.parts(origin, days, days, horizon, days[-1] + timedelta(days=9), 3)
    slices = {f"slice {n}": rows.entity % 3 == n for n in range(3)}
    yield
    return len(list(measured.scores(rows, slices, (0.1, 0.5, 0.9), parts)))

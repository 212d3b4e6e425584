"""Rules for declared features: what cannot be known, means nothing, or is there already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, get_args, get_origin

from nightcast.domain.feature_arguments import Limits, month_and_day
from nightcast.domain.features import (
    DaysToDate,
    FeatureSpec,
    KnownFuture,
    Ratio,
    SeasonalLift,
    SeasonalMean,
    TotalWeekdayShare,
    WeightedMean,
    WeightedMeanRatio,
    arguments_of,
    measures_of,
)
from nightcast.domain.pipeline import Pipeline
from nightcast.domain.team_file import Path, dotted, unknown

_Found = Iterator[tuple[Path, str]]


def feature_problems(p: Pipeline) -> _Found:
    """Place and message of each mistake in the features of a pipeline."""
    if not p.features:
        yield ("features",), "found none; expected at least one"
    for at, feature in enumerate(p.features):
        path: Path = ("features", at, feature.feature)
        if not feature.names():
            yield path, "found no columns; expected at least one"
        for inner, message in (*_limits(feature), *_names(feature, p), *_meaning(feature, p)):
            yield (*path, *inner), message
    yield from _doubled(p)
    sub_bins_of = p.model.calibration.sub_bins_of
    if sub_bins_of is not None and sub_bins_of not in p.feature_names:
        yield ("model", "calibration", "sub_bins_of"), unknown(sub_bins_of, p.feature_names, "feature column")


def _limits(feature: FeatureSpec) -> _Found:
    """Numbers beyond the limits of their arguments."""
    for name, kind in arguments_of(type(feature)).items():
        yield from _beyond((name,), getattr(feature, name), kind)


def _beyond(path: Path, value: Any, kind: Any) -> _Found:
    arguments = get_args(kind)
    if get_origin(kind) is Annotated and isinstance(arguments[1], Limits):
        limits = arguments[1]
        if not limits.least <= value <= limits.most:
            yield path, f"found {value}; expected {limits.least} to {limits.most} {limits.counts}"
    elif get_origin(kind) is tuple:
        for n, item in enumerate(value):
            yield from _beyond((*path, n), item, arguments[0 if arguments[-1] is Ellipsis else n])


def _names(feature: FeatureSpec, p: Pipeline) -> _Found:
    """Measures and columns that are not there."""
    for argument, measure in measures_of(feature):
        if measure not in p.measures:
            yield (argument,), unknown(measure, p.measures, "measure")
    if isinstance(feature, KnownFuture):
        for n, column in enumerate(feature.columns):
            if column not in p.calendar.columns:
                yield ("columns", n), unknown(column, p.calendar.columns, "column") + ", as in calendar.columns"


def _meaning(feature: FeatureSpec, p: Pipeline) -> _Found:
    """Arguments that do not go together, or that no day can meet."""
    match feature:
        case Ratio():
            yield from _pairs(feature.windows)
        case WeightedMeanRatio():
            yield from _pairs(feature.windows)
            yield from _weight(feature)
        case WeightedMean():
            yield from _weight(feature)
        case SeasonalMean() | SeasonalLift():
            yield from _seasonal(feature, p.forecast.horizon)
        case TotalWeekdayShare():
            yield from _held(feature)
        case DaysToDate():
            for n, text in enumerate(feature.dates):
                if month_and_day(text) is None:
                    yield ("dates", n), f"found {text!r}; expected a month and day of every year, such as 12-24"


def _pairs(windows: Sequence[tuple[int, int]]) -> _Found:
    """Both windows end at the origin, so one lies within the other: recent days are compared with more of them."""
    for n, (above, below) in enumerate(windows):
        found = f"found [{above}, {below}]; expected"
        if above == below:
            yield ("windows", n), f"{found} two different windows, this ratio is always 1"
        elif above > below:
            yield ("windows", n), f"{found} the shorter one first, [{below}, {above}]: recent days over more of them"


def _weight(feature: WeightedMean | WeightedMeanRatio) -> _Found:
    if feature.measure == feature.weight:
        yield ("weight",), f"found {feature.weight}, the measure itself; expected another one, this mean is always 1"


def _held(feature: TotalWeekdayShare) -> _Found:
    needed = feature.occurrences * 7
    if needed > feature.window:
        found = f"found {feature.window}, which cannot hold {feature.occurrences} days with one weekday"
        yield ("window",), f"{found}; expected {needed} or more, for a share of what it is taken from"


def _seasonal(feature: SeasonalMean | SeasonalLift, horizon: int) -> _Found:
    centred = [w if isinstance(w, int) else w[0] for w in feature.windows]
    for n, window in enumerate(centred):
        path: Path = ("windows", n) if isinstance(feature, SeasonalMean) else ("windows", n, 0)
        if window % 2 == 0:
            yield path, f"found {window}; expected an odd number of days, one lies in the middle, such as {window + 1}"
        late = horizon + window // 2 - feature.season_length
        if late > 0:
            yield (
                path,
                f"found {window} days around the day {feature.season_length} before the target date, the last of them "
                f"{late} after the origin; expected days that are known for the whole horizon of {horizon}: a "
                f"season_length of {feature.season_length + late} or more, or fewer days",
            )


def _doubled(p: Pipeline) -> _Found:
    first: dict[str, Path] = {}
    for at, feature in enumerate(p.features):
        for n, column in enumerate(feature.names()):
            path: Path = ("features", at, feature.feature, *_argument(feature, n))
            if column in first:
                yield path, f"found the column {column} again, first in {dotted(first[column])}; expected it once"
            first.setdefault(column, path)


def _argument(feature: FeatureSpec, n: int) -> Path:
    """The argument that makes the n-th column: an item of the one that is a list, where one is."""
    lists = [name for name, kind in arguments_of(type(feature)).items() if get_origin(kind) is tuple]
    return (lists[0], n) if lists else ()

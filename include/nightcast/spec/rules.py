"""Rules between the parts of a pipeline, beyond what its types say. Each broken one is a line with its place."""

from __future__ import annotations

import difflib
import math
import re
import zoneinfo
from collections.abc import Iterator

from nightcast.domain.contract import ColumnType, Role
from nightcast.domain.families import FAMILIES, wrong_parameters
from nightcast.domain.feature_arguments import LONGEST_WINDOW
from nightcast.domain.pipeline import RESERVED_COLUMNS, Measure, Pipeline, quantile_column
from nightcast.domain.team_file import Path, TeamFile, one_of, shown, unknown
from nightcast.spec.cron import wrong_cron
from nightcast.spec.feature_rules import feature_problems

MOST_PARTS = 10  # of a division of the entities; each costs about 60 rows of scores a night
MOST_SLICES = 4  # columns; each costs a night about as many profiles as it has levels
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,50}")
_SUMMED = (ColumnType.INTEGER, ColumnType.DECIMAL, ColumnType.BOOLEAN)
_WHERE = {ColumnType.STRING: str, ColumnType.INTEGER: int, ColumnType.BOOLEAN: bool}
_Found = Iterator[tuple[Path, str]]


def broken_rules(pipeline: Pipeline | None, read: TeamFile, has_calendar: bool) -> list[str]:
    """A line for each rule that the pipeline breaks, in the order of the file. None breaks no rule."""
    if pipeline is None:
        return []
    found = [
        *_general(pipeline),
        *_schedule(pipeline),
        *_names(pipeline),
        *_measures(pipeline),
        *_target(pipeline),
        *_calendar(pipeline, has_calendar),
        *feature_problems(pipeline),
        *_model(pipeline),
        *_calibration(pipeline),
        *_audit(pipeline),
        *_monitoring(pipeline),
        *_retention(pipeline),
    ]
    return [read.problem(path, message) for path, message in sorted(found, key=lambda f: read.line(f[0]))]


def _general(p: Pipeline) -> _Found:
    for name, text in (("title", p.title), ("owner", p.owner)):
        if not text.strip():
            yield (name,), "found no text; expected some"
    if p.version < 1:
        yield ("version",), f"found {p.version}; expected 1 or more"
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", p.source.connection):
        yield ("source", "connection"), f"found {p.source.connection!r}; expected letters, digits and underscores"
    yield from _bounded(("source", "late_arrival"), p.source.late_arrival, 0, 366)
    yield from _bounded(("schedule", "catch_up_days"), p.schedule.catch_up_days, 0, 3660)
    yield from _bounded(("forecast", "max_missing_days"), p.forecast.max_missing_days, 0, 7)
    universe = p.forecast.universe
    yield from _bounded(("forecast", "universe", "trailing_days"), universe.trailing_days, 1, LONGEST_WINDOW)
    if not p.forecast.quantiles:
        yield ("forecast", "quantiles"), "found no level; expected at least one, such as 0.5"


def _schedule(p: Pipeline) -> _Found:
    if wrong := wrong_cron(p.schedule.cron):
        yield ("schedule", "cron"), wrong
    try:
        zoneinfo.ZoneInfo(p.schedule.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = difflib.get_close_matches(p.schedule.timezone, zoneinfo.available_timezones(), n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        expected = "a name such as Europe/London"
        yield ("schedule", "timezone"), f"found unknown time zone {p.schedule.timezone!r}; {guess}expected {expected}"
    for path, moment in ((("schedule", "ready_by"), p.schedule.ready_by), (("source", "deadline"), p.source.deadline)):
        if moment.tzinfo is not None:
            yield path, f"found {moment.isoformat()}; expected a time without an offset, it is in schedule.timezone"


def _names(p: Pipeline) -> _Found:
    """Names that become names of columns."""
    named: list[tuple[Path, str]] = [(("source", "columns", n), n) for n in p.source.columns]
    named += [(("measures", n), n) for n in p.measures]
    named += [(("calendar", "columns", at), n) for at, n in enumerate(p.calendar.columns)]
    for path, name in named:
        if not _IDENTIFIER.fullmatch(name):
            yield (
                path,
                f"found the name {name!r}; expected a lower-case word of letters, digits and underscores, at most 51",
            )
    taken = RESERVED_COLUMNS | {quantile_column(q) for q in p.forecast.quantiles}
    for name in p.keys:
        if name in taken:
            yield (
                ("source", "columns", name),
                f"found {name!r} as a key; expected another name, the engine has a column of it",
            )
    for name in p.measures:
        if name in {*p.keys, "day", "bucket"}:
            yield ("measures", name), f"found {name!r}; expected a name that is not a key's, nor day or bucket"
    for at, name in enumerate(p.calendar.columns):
        if name in ("day", "open") or p.calendar.columns.index(name) != at:
            yield ("calendar", "columns", at), f"found {name!r}; expected each column once, beside day and open"


def _measures(p: Pipeline) -> _Found:
    rule = p.source.duplicates
    if rule and p.source.columns[rule.version].type is not ColumnType.INTEGER:
        yield (
            ("source", "duplicates", "version"),
            f"found {rule.version}, of type {p.source.columns[rule.version].type}; expected an integer column",
        )
    if rule and not rule.group:
        yield ("source", "duplicates", "group"), "found no column; expected at least one"
    for name, measure in p.measures.items():
        if measure.sum is not None and p.source.columns[measure.sum].type not in _SUMMED:
            found = p.source.columns[measure.sum].type
            yield ("measures", name, "sum"), f"found {measure.sum}, of type {found}; expected {one_of(_SUMMED)}"
        yield from _where(p, name, measure)


def _target(p: Pipeline) -> _Found:
    """Forecasts and actuals are in units of the panel, which holds decimals as counts of their smallest unit."""
    summed = p.measures[p.forecast.target].sum
    if summed is not None and p.source.columns[summed].type is ColumnType.DECIMAL:
        yield (
            ("forecast", "target"),
            f"found {p.forecast.target}, the sum of {summed}, of type decimal; expected a measure of whole numbers. "
            f"Extract {summed} in its smallest unit (cents, watt-hours) as an integer",
        )


def _where(p: Pipeline, name: str, measure: Measure) -> _Found:
    for column, value in measure.where.items():
        path: Path = ("measures", name, "where", column)
        declared = p.source.columns[column].type
        if declared not in _WHERE:
            yield path, f"found a condition on {column}, of type {declared}; expected {one_of(list(_WHERE))}"
        elif type(value) is not _WHERE[declared]:
            yield path, f"found {shown(value)}; expected a value of type {declared}, as the column is"


def _calendar(p: Pipeline, has_calendar: bool) -> _Found:
    if p.calendar.columns and not has_calendar:
        yield ("calendar", "columns"), "found columns but no calendar.sql; expected the file that delivers them"


def _bounded(path: Path, found: int, least: int, most: int) -> _Found:
    if not least <= found <= most:
        yield path, f"found {found}; expected {least} to {most}"


def _model(p: Pipeline) -> _Found:
    model = p.model
    if model.family not in FAMILIES:
        yield ("model", "family"), unknown(model.family, FAMILIES, "family")
    else:
        for name, message in wrong_parameters(model.family, model.parameters):
            yield ("model", "parameters", name), message
    blend = model.scale.blend
    for window, weight in blend.items():
        if not 1 <= window <= LONGEST_WINDOW or not weight > 0:
            yield (
                ("model", "scale", "blend", str(window)),
                f"found {window}: {weight}; expected a window of 1 to {LONGEST_WINDOW} days and a weight above 0",
            )
    if not blend or not math.isclose(sum(blend.values()), 1.0, abs_tol=1e-9):
        yield ("model", "scale", "blend"), f"found weights that add up to {sum(blend.values()):g}; expected 1"
    if not model.scale.floor > 0:
        yield ("model", "scale", "floor"), f"found {model.scale.floor}; expected a number above 0, it is divided by"
    if model.cap is not None and not model.cap > 0:
        yield ("model", "cap"), f"found {model.cap}; expected a number above 0"


def _calibration(p: Pipeline) -> _Found:
    calibration, training = p.model.calibration, p.model.training
    for key, least in (("origins", 1), ("gap_origins", 0), ("level_bins", 1), ("sub_bins", 1)):
        yield from _bounded(("model", "calibration", key), getattr(calibration, key), least, 1000)
    if calibration.origins + calibration.gap_origins >= training.origins:
        yield (
            ("model", "calibration", "origins"),
            f"found {calibration.origins} and a gap of {calibration.gap_origins}; "
            f"expected fewer than the {training.origins} origins of training",
        )


def _audit(p: Pipeline) -> _Found:
    for name in ("stop_outside", "warn_outside"):
        low, high = getattr(p.audit, name)
        if not 0 <= low < 1 < high:
            yield ("audit", name), f"found [{low:g}, {high:g}]; expected a factor below 1 and one above"
    (least, most), (low, high) = p.audit.stop_outside, p.audit.warn_outside
    if low < least or high > most:
        yield (
            ("audit", "warn_outside"),
            f"found [{low:g}, {high:g}]; expected it within stop_outside [{least:g}, {most:g}]",
        )


def _monitoring(p: Pipeline) -> _Found:
    slices = p.monitoring.slices
    attributes = [n for n, c in p.source.stored.items() if c.role is Role.ATTRIBUTE]
    for at, name in enumerate(slices):
        path: Path = ("monitoring", "slices", at)
        if name not in attributes:
            yield path, unknown(name, attributes, "attribute column")
        elif slices.index(name) != at:
            yield path, f"found {name!r} again; expected each column once"
    if len(slices) > MOST_SLICES:
        yield ("monitoring", "slices"), f"found {len(slices)} columns; expected at most {MOST_SLICES}"
    yield from _accuracy_slices(p)


def _retention(p: Pipeline) -> _Found:
    """What nights still need is kept: days that are pulled again, and forecasts whose actuals still come."""
    late = p.source.late_arrival
    for name, least in (("rows", late + 7), ("predictions", p.forecast.horizon + late + 7)):
        days = getattr(p.retention, name)
        if days is not None:
            yield from _bounded(("retention", name), days, least, 36_525)


def _accuracy_slices(p: Pipeline) -> _Found:
    declared, at = p.monitoring.accuracy_slices, ("monitoring", "accuracy_slices")
    if declared.active_share:
        yield from _bounded((*at, "active_share", "window"), declared.active_share.window, 1, LONGEST_WINDOW)
        if not 1 <= (n := len(declared.active_share.edges)) <= MOST_PARTS:
            yield (*at, "active_share", "edges"), f"found {n} edges; expected 1 to {MOST_PARTS}"
    if declared.level:
        yield from _bounded((*at, "level", "window"), declared.level.window, 1, LONGEST_WINDOW)
        yield from _bounded((*at, "level", "parts"), declared.level.parts, 2, MOST_PARTS)
    for place, name in enumerate(declared.keys):
        if name not in p.keys:
            yield (*at, "keys", place), unknown(name, p.keys, "key column")
        elif declared.keys.index(name) != place:
            yield (*at, "keys", place), f"found {name!r} again; expected each column once"

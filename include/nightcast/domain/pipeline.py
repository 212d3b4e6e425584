"""A pipeline as its team declared it: the typed value that `pipeline.yaml` becomes.

These are plain frozen dataclasses; the `spec` room validates files into them, every other room reads them.
`__pydantic_config__` and the `ValueError`s of `__post_init__` are what the spec room turns into messages with
file and line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time

from nightcast.domain.contract import FORBID_UNKNOWN, Column, Files, Role, Sensitive
from nightcast.domain.features import FeatureSpec
from nightcast.domain.model_spec import Model
from nightcast.domain.monitoring import Monitoring

# Names of columns that the engine puts beside the keys, in tables and on the way to them.
RESERVED_COLUMNS = (
    frozenset({"run_id", "shard", "origin", "target_date", "horizon", "mean", "source", "model_version", "run"})
    | {"revision", "published_at", "look_ahead", "actual", "maturity", "event_day", "value", "known_from", "known_to"}
    | {"moment", "day", "bucket", "problem"}
)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When nights run. A night's origin is the day before the cron fires, in `timezone`."""

    __pydantic_config__ = FORBID_UNKNOWN

    cron: str  # when nights start: five fields, in `timezone`
    timezone: str  # an IANA name such as Europe/London, also of the source's wall time
    first_night: date  # the first origin
    catch_up_days: int = 14  # nights older than this when they start end as too_old
    ready_by: time = time(6, 0)  # local time of day, after the origin, when readers expect the night


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Groups of rows that arrived again: of the rows with equal `group`, one `version` is kept.

    Looked for within an event day. Rows of the other versions count as duplicates. More than `max_share` of a
    day's rows stops the night.
    """

    __pydantic_config__ = FORBID_UNKNOWN

    group: tuple[str, ...]  # columns that name what arrives again, such as an invoice
    version: str  # an integer column that tells deliveries apart
    keep: str = "last"  # last | first
    max_share: float = 0.10  # of a day's rows

    def __post_init__(self) -> None:
        if self.keep not in ("last", "first"):
            raise ValueError(f"keep is {self.keep!r}; expected last or first")
        if not 0 <= self.max_share <= 1:
            raise ValueError(f"max_share is {self.max_share}; expected a share from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class QuarantineLimits:
    """How large a share of a day's rows may be set aside: above `warn_share` warned, above `max_share` stopped."""

    __pydantic_config__ = FORBID_UNKNOWN

    max_share: float = 0.10  # above it the night stops
    warn_share: float = 0.05  # above it the night warns

    def __post_init__(self) -> None:
        if not 0 <= self.warn_share <= self.max_share <= 1:
            raise ValueError(
                f"warn_share {self.warn_share} and max_share {self.max_share}; expected 0 <= warn <= max <= 1"
            )


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where rows come from and what they look like.

    `connection` names the setting NIGHTCAST_SOURCE_<CONNECTION> or an Airflow Connection of that id. What is read
    there says `extract.sql`, or `files` where there is no database.
    """

    __pydantic_config__ = FORBID_UNKNOWN

    connection: str  # letters, digits and underscores
    columns: Mapping[str, Column]  # by name: their type and the part they play
    files: Files | None = None  # in the place of extract.sql
    late_arrival: int = 0  # days before the origin's window that are pulled again each night
    deadline: time = time(6, 0)  # local time on the day after the origin: not there by then stops the night
    duplicates: Duplicates | None = None  # without it, no row counts as a copy
    quarantine: QuarantineLimits = QuarantineLimits()  # how much may be set aside by row rules

    def __post_init__(self) -> None:
        times = [n for n, c in self.columns.items() if c.role is Role.TIME]
        if len(times) != 1:
            raise ValueError(
                f"{len(times)} columns have role time ({', '.join(times) or 'none'}); expected exactly one"
            )
        if not any(c.role is Role.KEY for c in self.columns.values()):
            raise ValueError("no column has role key; expected at least one, it names what is forecast")
        if self.duplicates:
            for name in (*self.duplicates.group, self.duplicates.version):
                if name not in self.stored:
                    raise ValueError(f"duplicates names column {name!r}; stored are {', '.join(self.stored)}")

    @property
    def stored(self) -> Mapping[str, Column]:
        """The columns that are kept: all but those with `sensitive: drop`."""
        return {n: c for n, c in self.columns.items() if c.sensitive is not Sensitive.DROP}

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the key columns, in declared order."""
        return tuple(n for n, c in self.columns.items() if c.role is Role.KEY)

    @property
    def time_column(self) -> str:
        """Name of the time column."""
        return next(n for n, c in self.columns.items() if c.role is Role.TIME)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number per entity and day, made from the accepted rows: `sum` of a column, or `count_distinct` of one.

    Decimal columns are summed as integers of their smallest unit. `where` keeps the rows whose column equals the
    value.
    """

    __pydantic_config__ = FORBID_UNKNOWN

    sum: str | None = None  # a column of integers, decimals or booleans
    count_distinct: str | None = None  # a column
    where: Mapping[str, str | int | bool] = field(default_factory=dict)  # column: value; only such rows

    def __post_init__(self) -> None:
        if (self.sum is None) == (self.count_distinct is None):
            raise ValueError("expected exactly one of sum and count_distinct")


@dataclass(frozen=True, kw_only=True)
class Universe:
    """Which entities are forecast: active (target > 0) on at least so many of the trailing calendar days."""

    __pydantic_config__ = FORBID_UNKNOWN

    min_active_days: int  # at least so many
    trailing_days: int  # of so many days up to the origin

    def __post_init__(self) -> None:
        if not 1 <= self.min_active_days <= self.trailing_days:
            raise ValueError(
                f"min_active_days is {self.min_active_days}; expected 1 to trailing_days ({self.trailing_days})"
            )


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What is forecast: `target` (a measure), per entity and open day, 1 to `horizon` days after the origin.

    The target counts whole things: a sum of a decimal column is refused, because its forecasts and actuals would come
    in the column's smallest unit. Whoever forecasts money or energy extracts cents or watt-hours as an integer.
    """

    __pydantic_config__ = FORBID_UNKNOWN

    target: str  # a measure
    horizon: int  # days ahead, 1 to 366
    universe: Universe  # which entities are forecast
    quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)  # rising levels in whole percents; columns q10, q50, q90
    max_missing_days: int = 1  # more missing open days than this among the last seven stop the night

    def __post_init__(self) -> None:
        if not 1 <= self.horizon <= 366:
            raise ValueError(f"horizon is {self.horizon}; expected 1 to 366 days")
        if list(self.quantiles) != sorted(set(self.quantiles)) or not all(0 < q < 1 for q in self.quantiles):
            raise ValueError(f"quantiles are {list(self.quantiles)}; expected rising levels between 0 and 1")
        if any(round(q * 100) != q * 100 for q in self.quantiles):
            raise ValueError(f"quantiles are {list(self.quantiles)}; expected whole percents, they name columns (q10)")


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """The extra known-future columns of `calendar.sql`, beside `day` (date) and `open` (boolean)."""

    __pydantic_config__ = FORBID_UNKNOWN

    columns: tuple[str, ...] = ()  # known-future columns, numbers


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Bounds of tonight's forecast total against the last published night's, per open day."""

    __pydantic_config__ = FORBID_UNKNOWN

    stop_outside: tuple[float, float] = (0.5, 2.0)  # as times the last night's total
    warn_outside: tuple[float, float] = (0.8, 1.25)  # within stop_outside


@dataclass(frozen=True, kw_only=True)
class Retention:
    """For how many days things are kept; without a number for ever. `nightcast expire` deletes what is older."""

    __pydantic_config__ = FORBID_UNKNOWN

    rows: int | None = None  # rows of the source, by event day: in the lake, set aside, and in samples of checks
    predictions: int | None = None  # by origin


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Everything a team decides about a forecast. `name` is the folder's name."""

    __pydantic_config__ = FORBID_UNKNOWN

    name: str
    version: int  # of the tables: another key, type or grain needs the next one
    title: str  # what is forecast, in one line
    owner: str  # the team that answers for it
    schedule: Schedule  # when nights run
    source: Source  # where rows come from
    measures: Mapping[str, Measure]  # by name: numbers per entity and day
    forecast: Forecast  # what is forecast
    features: tuple[FeatureSpec, ...]  # what the model sees
    model: Model  # how the model is made
    calendar: Calendar = Calendar()  # needs a calendar.sql
    audit: Audit = Audit()  # bounds of a night's total
    monitoring: Monitoring = field(default_factory=Monitoring)  # parts that drift and accuracy are measured of
    retention: Retention = Retention()  # for how long
    tags: tuple[str, ...] = ()  # of its DAGs
    shards: int = 1  # predict tasks side by side, 1 to 256

    def __post_init__(self) -> None:
        if self.forecast.target not in self.measures:
            raise ValueError(f"forecast.target is {self.forecast.target!r}; measures are {', '.join(self.measures)}")
        if not 1 <= self.shards <= 256:
            raise ValueError(f"shards is {self.shards}; expected 1 to 256")
        for name, measure in self.measures.items():
            for column in (*filter(None, (measure.sum, measure.count_distinct)), *measure.where):
                if column not in self.source.stored:
                    raise ValueError(
                        f"measure {name} reads column {column!r}; stored are {', '.join(self.source.stored)}"
                    )
                if column in measure.where and self.source.stored[column].sensitive:
                    raise ValueError(
                        f"measure {name} has a condition on {column!r}, of which only pseudonyms are stored"
                    )

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the columns that name an entity."""
        return self.source.keys

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the feature columns in the order in which the model reads them."""
        return tuple(c for f in self.features for c in f.names())


def quantile_column(level: float) -> str:
    """The column name of a quantile level: 0.1 -> q10."""
    return f"q{round(level * 100):02d}"


@dataclass(frozen=True, kw_only=True)
class PipelineFolder:
    """A pipeline with the texts beside its `pipeline.yaml`, as `open_run` pins them for a night.

    `files` maps a file name to its text; `digest` is over all of them.
    """

    pipeline: Pipeline
    files: Mapping[str, str]
    digest: str

    @property
    def extract_sql(self) -> str | None:
        """The one SELECT with :window_start and :window_end; None where `source.files` says what is read."""
        return self.files.get("extract.sql")

    @property
    def calendar_sql(self) -> str | None:
        """The SELECT of `day`, `open` and the known-future columns, or None: every day is open."""
        return self.files.get("calendar.sql")

    @property
    def expectations(self) -> str:
        """YAML text of the checks."""
        return self.files["expectations.yaml"]

"""Mistakes in pipeline.yaml: each has its line, its place, what was found and what was expected."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nightcast import spec
from nightcast.domain.pipeline import PipelineFolder
from nightcast.errors import SpecError

pytestmark = pytest.mark.unit

Edit = Callable[[str, str], list[str]]

ACCURACY = "accuracy_slices: {active_share: {window: 91, edges: [0.2, 0.5, 0.9]}}"
CASES = {
    "unknown key": (
        "late_arrival: 3",
        "late_arival: 3",
        "LINE: at source.late_arival: found unknown key 'late_arival'; did you mean 'late_arrival'? expected columns, "
        "connection, deadline, duplicates, files, late_arrival or quarantine",
    ),
    "unknown key deep in a feature": (
        "{of: units, cap: 400}",
        "{of: units, cup: 400}",
        "LINE: at features[7].age.cup: found unknown key 'cup'; did you mean 'cap'? expected cap or of",
    ),
    "text for a number": (
        "horizon: 14",
        'horizon: "14"',
        'LINE: at forecast.horizon: found "14"; expected a whole number',
    ),
    "fraction for a whole number": (
        "shards: 1",
        "shards: 1.0",
        "LINE: at shards: found 1.0; expected a whole number",
    ),
    "truth for a number": ("shards: 1", "shards: true", "LINE: at shards: found true; expected a whole number"),
    "number for a time of day": (
        'ready_by: "06:00"',
        "ready_by: 600",
        'LINE: at schedule.ready_by: found 600; expected a time of day such as "06:00"',
    ),
    "a German date": (
        "first_night: 2011-10-24",
        "first_night: 24.10.2011",
        'LINE: at schedule.first_night: found "24.10.2011"; expected a date such as 2011-10-24',
    ),
    "no such date": (
        "first_night: 2011-10-24",
        "first_night: 2011-13-24",
        'LINE: at schedule.first_night: found "2011-13-24"; expected a date such as 2011-10-24',
    ),
    "a word outside a list": (
        "{type: string, role: key}",
        "{type: strng, role: key}",
        "LINE: at source.columns.sku.type: found unknown value 'strng'; did you mean 'string'? expected boolean, date, "
        "decimal, float, integer, string or timestamp",
    ),
    "one value of a list": (
        "windows: [7, 14, 28, 56, 91, 182, 364]",
        'windows: [7, "14"]',
        'LINE: at features[0].rolling_mean.windows[1]: found "14"; expected a whole number',
    ),
    "a pair of three": (
        "[[7, 28], [28, 91]]",
        "[[7, 28, 91]]",
        "LINE: at features[8].total_ratio.windows[0]: found [7, 28, 91]; expected fewer values",
    ),
    "half a pair": (
        "stop_outside: [0.5, 2.0]",
        "stop_outside: [0.5]",
        "LINE: at audit.stop_outside: found [0.5]; expected more values",
    ),
    "unknown column of the target date": (
        "columns: [weekday,",
        "columns: [wekday,",
        "LINE: at features[13].calendar.columns[0]: found unknown value 'wekday'; did you mean 'weekday'? expected "
        "closed_after, closed_before, day_of_month, day_of_year, horizon or weekday",
    ),
    "feature without arguments": (
        "- days_since_active: {of: units}",
        "- days_since_active",
        'LINE: at features[6]: found "days_since_active"; expected a mapping with one key, the feature\'s '
        "name, such as "
        "{rolling_mean: {of: units, windows: [7]}}",
    ),
    "feature with a bare argument": (
        "- days_since_active: {of: units}",
        "- days_since_active: units",
        'LINE: at features[6].days_since_active: found "units"; expected a mapping with the keys of or cap',
    ),
    "missing key": (
        "min_active_days: 3, ",
        "",
        "LINE: at forecast.universe.min_active_days: found nothing; expected the key min_active_days beside "
        "trailing_days",
    ),
    "key of a window that is no number": (
        "blend: {28: 0.5",
        "blend: {month: 0.5",
        'LINE: at model.scale.blend.month: found "month"; expected a whole number',
    ),
    "condition on a fraction": (
        "orders: {count_distinct: invoice, where: {kind: sale}}",
        "orders: {count_distinct: invoice, where: {kind: 1.5}}",
        "LINE: at measures.orders.where.kind: found 1.5; expected text, a whole number, or true or false",
    ),
    "condition of another type": (
        "orders: {count_distinct: invoice, where: {kind: sale}}",
        "orders: {count_distinct: invoice, where: {quantity: sale}}",
        'LINE: at measures.orders.where.quantity: found "sale"; expected a value of type integer, as the column is',
    ),
    "truth is no whole number": (
        "orders: {count_distinct: invoice, where: {kind: sale}}",
        "orders: {count_distinct: invoice, where: {quantity: true}}",
        "LINE: at measures.orders.where.quantity: found true; expected a value of type integer, as the column is",
    ),
    "condition on a decimal": (
        "orders: {count_distinct: invoice, where: {kind: sale}}",
        "orders: {count_distinct: invoice, where: {price: 1}}",
        "LINE: at measures.orders.where.price: found a condition on price, of type decimal; expected string, "
        "integer or "
        "boolean",
    ),
    "sum of text": (
        "{sum: amount,",
        "{sum: country,",
        "LINE: at measures.revenue.sum: found country, of type string; expected integer, decimal or boolean",
    ),
    "measure of an unknown column": (
        "{sum: amount,",
        "{sum: amont,",
        "LINE: at measures.revenue: measure revenue reads column 'amont'; stored are sku, sold_at, "
        "invoice, delivery, "
        "customer, country, kind, quantity, price, amount, cancels, free",
    ),
    "a measure of a dropped column": (
        "invoice: {type: string, role: identifier}",
        "invoice: {type: string, role: identifier, sensitive: drop}",
        "pipeline.yaml:26: at source.duplicates: duplicates names column 'invoice'; stored are sku, sold_at, delivery, "
        "customer, country, kind, quantity, price, amount, cancels, free",
    ),
    "a retention that nights cannot live with": (
        "shards: 1",
        "retention: {rows: 3}\nshards: 1",
        "LINE: at retention.rows: found 3; expected 10 to 36525",
    ),
    "predictions that go before their actuals come": (
        "shards: 1",
        "retention: {predictions: 20}\nshards: 1",
        "LINE: at retention.predictions: found 20; expected 24 to 36525",
    ),
    "times as pseudonyms": (
        "{type: timestamp, role: time}",
        "{type: timestamp, role: time, sensitive: hash}",
        "LINE: at source.columns.sold_at.sensitive: sensitive is hash, the role time, the type timestamp; expected a "
        "key, attribute or identifier: times and measures are calculated with",
    ),
    "a number as a pseudonym": (
        "cancels: {type: boolean, role: attribute}",
        "cancels: {type: boolean, role: attribute, sensitive: hash}",
        "LINE: at source.columns.cancels.sensitive: sensitive is hash, the role attribute, the type boolean; expected "
        "a string, as pseudonyms are: cast it in extract.sql",
    ),
    "a condition on pseudonyms": (
        "kind: {type: string, role: attribute}",
        "kind: {type: string, role: attribute, sensitive: hash}",
        "pipeline.yaml:32: at measures.units: measure units has a condition on 'kind', of which only pseudonyms are "
        "stored",
    ),
    "unknown target": (
        "target: units",
        "target: unit",
        "LINE: at forecast.target: forecast.target is 'unit'; measures are units, orders, revenue",
    ),
    "cron": (
        '"0 2 * * *"',
        '"0 25 * * *"',
        "LINE: at schedule.cron: found '25' as the hour; expected * or 0 to 23, also as 1-5, 1,2 or */2",
    ),
    "time zone": (
        "Europe/London",
        "Europe/Londn",
        "LINE: at schedule.timezone: found unknown time zone 'Europe/Londn'; did you mean 'Europe/London'? "
        "expected a name "
        "such as Europe/London",
    ),
    "model family": (
        "family: hist_gradient_boosting",
        "family: xgboost",
        "LINE: at model.family: found unknown family 'xgboost'; expected hist_gradient_boosting or lightgbm",
    ),
    "model parameter": (
        "max_iter: 150",
        "max_iters: 100",
        "LINE: at model.parameters.max_iters: found unknown parameter 'max_iters'; did you mean 'max_iter'? expected "
        "l2_regularization, learning_rate, loss, max_bins, max_depth, max_features, max_iter, max_leaf_nodes or "
        "min_samples_leaf",
    ),
    "value of a model parameter": (
        "learning_rate: 0.06",
        "learning_rate: 0",
        "LINE: at model.parameters.learning_rate: found 0; expected a number above 0",
    ),
    "warning outside of stopping": (
        "warn_outside: [0.8, 1.25]",
        "warn_outside: [0.4, 1.25]",
        "LINE: at audit.warn_outside: found [0.4, 1.25]; expected it within stop_outside [0.5, 2]",
    ),
    "slices of a column that has no levels": (
        "slices: [country]",
        "slices: [kind, contry]",
        "LINE: at monitoring.slices[1]: found unknown attribute column 'contry'; did you mean 'country'? expected "
        "cancels, country, free or kind",
    ),
    "slices twice by the same column": (
        "slices: [country]",
        "slices: [kind, kind]",
        "LINE: at monitoring.slices[1]: found 'kind' again; expected each column once",
    ),
    "accuracy by a column that is no key": (
        ACCURACY,
        "accuracy_slices: {keys: [kind]}",
        "LINE: at monitoring.accuracy_slices.keys[0]: found unknown key column 'kind'; expected sku",
    ),
    "accuracy by one part": (
        ACCURACY,
        "accuracy_slices: {level: {parts: 1}}",
        "LINE: at monitoring.accuracy_slices.level.parts: found 1; expected 2 to 10",
    ),
    "accuracy by an active share that is none": (
        ACCURACY,
        "accuracy_slices: {active_share: {edges: [0.5, 1.5]}}",
        "LINE: at monitoring.accuracy_slices.active_share.edges: edges are [0.5, 1.5]; expected rising shares "
        "between 0 and 1",
    ),
    "accuracy by a share without edges": (
        ACCURACY,
        "accuracy_slices: {active_share: {edges: []}}",
        "LINE: at monitoring.accuracy_slices.active_share.edges: found 0 edges; expected 1 to 10",
    ),
    "accuracy by a misspelt division": (
        ACCURACY,
        "accuracy_slices: {levels: {parts: 3}}",
        "LINE: at monitoring.accuracy_slices.levels: found unknown key 'levels'; did you mean 'level'? expected "
        "active_share, keys or level",
    ),
    "calibration on all of training": (
        "calibration: {origins: 8,",
        "calibration: {origins: 98,",
        "LINE: at model.calibration.origins: found 98 and a gap of 2; expected fewer than the 100 origins of training",
    ),
    "weights": (
        "91: 0.5}, floor",
        "91: 0.6}, floor",
        "LINE: at model.scale.blend: found weights that add up to 1.1; expected 1",
    ),
    "name": (
        "shards: 1",
        "name: other",
        "LINE: at name: found the key name; expected none, the folder names a pipeline",
    ),
    "not a number": ("cap: 10", "cap: .nan", 'LINE: at model.cap: found ".nan"; expected a number'),
    "merge": ("schedule: {", "<<: {", "LINE: found the merge key <<; expected the keys written out"),
    "tag": (
        "cap: 10",
        "cap: !!python/name:os.system x",
        "LINE: at model.cap: found the tag tag:yaml.org,2002:python/name:os.system; expected a plain value",
    ),
    "a name that the engine takes": (
        "sku: {type: string, role: key}",
        "origin: {type: string, role: key}",
        "LINE: at source.columns.origin: found 'origin' as a key; expected another name, the engine has a column of it",
    ),
    "a name that no column can have": (
        "free: {type: boolean",
        "Free-Goods: {type: boolean",
        "LINE: at source.columns.Free-Goods: found the name 'Free-Goods'; expected a lower-case word of "
        "letters, digits and "
        "underscores, at most 51",
    ),
    "target of fractions": (
        "target: units",
        "target: revenue",
        "LINE: at forecast.target: found revenue, the sum of amount, of type decimal; expected a measure of whole "
        "numbers. Extract amount in its smallest unit (cents, watt-hours) as an integer",
    ),
    "version of deliveries that is text": (
        "version: delivery",
        "version: country",
        "LINE: at source.duplicates.version: found country, of type string; expected an integer column",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_named_with_its_line(after: Edit, case: str) -> None:
    old, new, expected = CASES[case]
    assert after(old, new) == [expected]


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ("{objective: tweedie, tweedie_variance_power: 1.3, num_leaves: 31}", None),
        ("{objective: poisson, max_depth: null, learning_rate: 1}", None),
        ("{}", None),
        ("{objective: binary}", 'objective: found "binary"; expected poisson, tweedie, regression or regression_l1'),
        ("{num_leaves: 100000}", "num_leaves: found 100000; expected a whole number from 2 up to 4096"),
        ("{num_leaves: 31.5}", "num_leaves: found 31.5; expected a whole number from 2 up to 4096"),
        ("{num_leaves: true}", "num_leaves: found true; expected a whole number from 2 up to 4096"),
        ("{feature_fraction: 0}", "feature_fraction: found 0; expected a number above 0 up to 1"),
        ('{learning_rate: "high"}', 'learning_rate: found "high"; expected a number above 0'),
        ("{max_depth: 0}", "max_depth: found 0; expected a whole number from 1 or null"),
        (
            "{objective: tweedie, tweedie_variance_power: 2}",
            "tweedie_variance_power: found 2; expected a number above 1 below 2",
        ),
        (
            "{objective: poisson, tweedie_variance_power: 1.3}",
            "tweedie_variance_power: found 1.3; expected it beside objective: tweedie only",
        ),
    ],
)
def test_parameters_of_lightgbm(after: Edit, good: PipelineFolder, parameters: str, problem: str | None) -> None:
    text = good.files["pipeline.yaml"]
    old = text[text.index("  family: hist_gradient_boosting") : text.index("  scale: {")]
    found = after(old, f"  family: lightgbm\n  parameters: {parameters}\n")
    assert [f.partition("at model.parameters.")[2] for f in found] == ([problem] if problem else [])


@pytest.mark.parametrize(
    "name", ["num_threads", "early_stopping_round", "bagging_fraction", "seed", "linear_tree", "loss"]
)
def test_what_a_fit_must_not_depend_on_cannot_be_set(after: Edit, good: PipelineFolder, name: str) -> None:
    text = good.files["pipeline.yaml"]
    old = text[text.index("  family: hist_gradient_boosting") : text.index("  scale: {")]
    (found,) = after(old, f"  family: lightgbm\n  parameters: {{{name}: 1}}\n")
    assert f"at model.parameters.{name}: found unknown parameter '{name}'" in found
    assert "num_leaves" in found.partition("expected ")[2]


def test_a_key_written_twice(after: Edit) -> None:
    assert after("shards: 1", "shards: 1\nshards: 2") == [
        "pipeline.yaml:79: at shards: found again, first on line 78; expected once"
    ]


def test_all_mistakes_are_told_at_once_in_the_order_of_lines(after: Edit) -> None:
    found = after("tags: [demand]", "tags: demand\nshard: 1")
    assert [p.split(": ", 2)[1] for p in found] == ["at tags", "at shard"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('ready_by: "06:00"', "ready_by: 06:00"),  # a number of minutes in YAML 1.1
        ("owner: demand-planning", "owner: no"),  # false in YAML 1.1
        ("tags: [demand]", "tags: [on, yes, 010]"),  # true and eight in YAML 1.1
        ("learning_rate: 0.06", "learning_rate: 6e-2"),  # text in YAML 1.1
        ("  quarantine: {max_share: 0.10, warn_share: 0.05}\n", ""),  # has a default
        ("stop_outside: [0.5, 2.0]", "stop_outside: &bounds [0.5, 2]"),
    ],
)
def test_what_people_write_means_what_they_think(after: Edit, old: str, new: str) -> None:
    assert after(old, new) == []


def test_words_stay_words(good: PipelineFolder) -> None:
    text = good.files["pipeline.yaml"].replace("tags: [demand]", "tags: [on, yes, 010, 06:00]")
    folder = spec.from_files("daily_demand", {**good.files, "pipeline.yaml": text})
    assert folder.pipeline.tags == ("on", "yes", "010", "06:00")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1\nb: 2\n", 2),
        ("version: 1\n\tx: 2\n", 2),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: &x [*x]\n", 1),
        ("a: \x07\n", 1),
        ("? [1]\n: 2\n", 1),
        ("just words\n", 1),
        ("- 1\n", 1),
    ],
)
def test_what_is_not_a_mapping_of_keys_is_named(good: PipelineFolder, text: str, line: int) -> None:
    with pytest.raises(SpecError) as caught:
        spec.from_files("daily_demand", {**good.files, "pipeline.yaml": text})
    assert caught.value.problems[0].startswith(f"pipeline.yaml:{line}: ")


def test_anchors_cannot_blow_up(good: PipelineFolder) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 9)]
    with pytest.raises(SpecError, match="found more than 20000 values"):
        spec.from_files("daily_demand", {**good.files, "pipeline.yaml": "\n".join(rows)})


@pytest.mark.parametrize(
    "text", ["* * * * *", "0 2 * * 1-5", "*/15 0-6,22 1,15 JAN-mar sun", "5 4 31 12 7", "0 0 * * 0/2"]
)
def test_cron_expressions_that_are_fine(after: Edit, text: str) -> None:
    assert after('"0 2 * * *"', f'"{text}"') == []


@pytest.mark.parametrize(
    "text",
    [
        "0 2 * *",
        "60 2 * * *",
        "0 2 0 * *",
        "0 2 * 13 *",
        "0 2 * * 8",
        "0 2 * * mo",
        "5-1 2 * * *",
        "*/0 2 * * *",
        "@daily",
        "0 2 * * *,",
    ],
)
def test_cron_expressions_that_are_not(after: Edit, text: str) -> None:
    (problem,) = after('"0 2 * * *"', f'"{text}"')
    assert problem.startswith("LINE: at schedule.cron: found ")

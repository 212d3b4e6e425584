"""The reference of recorded accuracy, from the definitions that analysts read beside every score."""

from __future__ import annotations

from nightcast.domain.accuracy import horizon_buckets
from nightcast.domain.accuracy_metrics import POINT, definitions
from nightcast.domain.monitoring import MOST_KEY_VALUES, ActiveShareSlices, LevelSlices

BAR = r"\|"  # in a cell of a table

_HEAD = """# Accuracy

Generated from the code by `make docs`; edit there. What `forecast.<pipeline>_accuracy` has: every score of every
published night once, as computed last.

```sql
SELECT origin, metric_value, days_compared, days_forecast          -- how each night did, as far as its days have come
FROM forecast.daily_demand_accuracy
WHERE (horizon_bucket, slice, method, metric) = ('all', '', 'model', 'wape_day') ORDER BY origin;

SELECT slice, sum(metric_value * sum_actual) / sum(sum_actual)     -- shares of actuals are pooled by their actuals
FROM forecast.daily_demand_accuracy
WHERE (horizon_bucket, method, metric, maturity) = ('8-14', 'model', 'wape_day', 'final') GROUP BY slice;

SELECT computed_at, metric_value, maturity, n                      -- what the number was when it was quoted
FROM forecast.daily_demand_accuracy_history
WHERE (origin, horizon_bucket, slice, method, metric) = ('2011-10-31', '1', '', 'model', 'bias') ORDER BY computed_at;
```
"""

_TAIL = """
Seasonal naive (`method = 'seasonal_naive'`: the last open day up to the origin with the target date's weekday) is
measured on the same rows, by {point}.
`metric_value` is null exactly where `reason` says why: a share of actuals that do not sum to more than 0, no entity
with a scale, rows without a seasonal naive.

## Days ahead

`horizon_bucket` is {buckets} and so on by the week, beyond four weeks by four weeks;
and `all`. A target day counts in its bucket and in `all`, so never add up both.

## When a score changes

- A score is **provisional** while a target day of its bucket has not come, or while nights still pull one again
  (`late_arrival` in `pipeline.yaml`); then **final**. `days_compared` of `days_forecast` says how much it rests on.
- Each night scores every published night whose truth has changed since: a day came, was restated, or became final.
  A day that is restated after that gives another final value. Earlier values are in `…_accuracy_history`.
- A day that was never accepted has no actual and is not compared; it does not keep its bucket provisional.
- Scales, seasonal naive and slices come from what the night itself knew. A run whose model was trained past its origin
  (`look_ahead`) is not scored. Churn needs no truth and is final at once.

## Slices

`slice` is empty for all entities. Others are declared in `pipeline.yaml`, and scored once their bucket has wholly come:

```yaml
monitoring:
  accuracy_slices:
    active_share: {{window: {share.window}, edges: [{edges}]}} # the default; null for none
    level: {{window: {level.window}, parts: {level.parts}}} # default: none
    keys: [shop] # default: none
```

- `active_share`: entities by the share of the open days of the window on which their target was above zero;
  `[0.2, 0.5)` has 0.2 and not 0.5.
- `level`: entities in parts of equal number by the mean of their target on the open days of the window, 1 the lowest.
- `keys`: entities by a key column: the {most} values with the most entities, and `(other)`.

Divisions are not crossed with each other, so a night has at most the sum of their slices.
"""


def page() -> str:
    """The page in Markdown."""
    levels = (0.1, 0.5, 0.9)
    found = {n: d for n, d in definitions(levels).items() if not n.endswith(("_q50", "_q90"))}
    rows = [f"| `{name}` | {d.unit} | {d.text.replace('|', BAR)} |" for name, d in found.items()]
    units = (
        "Units: **share** (0.25 is 25 %), **scaled** (1 is as far off as one open day is from the next), **target** "
        "(the unit\nof the target). Names with a quantile are shown for `q10`; each declared quantile has its own."
    )
    share = ActiveShareSlices()
    tail = _TAIL.format(
        point=", ".join(f"`{name}`" for name in POINT),
        buckets=", ".join(f"`{b.name}`" for b in horizon_buckets(21)),
        share=share,
        edges=", ".join(f"{edge:g}" for edge in share.edges),
        level=LevelSlices(),
        most=MOST_KEY_VALUES,
    )
    return "\n".join([_HEAD, units, "", "| metric | unit | is |", "|---|---|---|", *rows, tail])

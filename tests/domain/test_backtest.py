"""Backtests: which origins and rows, what each metric is of, and what is written of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelling import MONDAY, make_cube, make_pipeline, random_scene, windowed
from nightcast.domain import backtest_report
from nightcast.domain.backtest import Compared, checked_origins, compared, cut, matured_origins, together
from nightcast.domain.backtest_report import declared, report
from nightcast.domain.backtest_table import BEGIN, END, block_of, markdown, table, written
from nightcast.domain.baselines import reference_forecasts
from nightcast.domain.feature_matrix import FeatureRows, scoring_rows
from nightcast.domain.forecast import Scores
from nightcast.domain.model_spec import Training
from nightcast.domain.monitoring import AccuracySlices, LevelSlices, Monitoring
from nightcast.domain.windows import History
from nightcast.errors import NotFound

pytestmark = pytest.mark.unit

PIPELINE = make_pipeline()
LEVELS = PIPELINE.forecast.quantiles
ORIGINS = (date(2024, 4, 1), date(2024, 4, 15), date(2024, 5, 20))
MADE_WITH = {"other_models": {}}


def asked(origin: date) -> tuple[History, FeatureRows, dict[str, Scores]]:
    """The rows of an origin, and what methods without a model say; a model that knows too much beside them."""
    cube, calendar = random_scene()
    history = History(cut(cube, origin))
    rows = scoring_rows(history, calendar, origin, PIPELINE)
    mean = rows.scale * (1 + rows.horizon / 10)
    model = Scores(mean=mean, quantiles=mean[:, None] * [0.2, 1.0, 2.0])
    return history, rows, {"model": model} | reference_forecasts(history, rows, "units", LEVELS)


def at(origin: date) -> Compared:
    history, rows, methods = asked(origin)
    return compared(random_scene()[0], history, rows, methods, PIPELINE)


@pytest.fixture(scope="module")
def found() -> Compared:
    return together([at(origin) for origin in ORIGINS])


@pytest.fixture(scope="module")
def told(found: Compared) -> dict[str, Any]:
    return report(found, PIPELINE, MADE_WITH)


def test_the_newest_matured_origins_are_the_default() -> None:
    days = (date(2024, 1, 1), date(2024, 5, 29))
    assert matured_origins(*days, PIPELINE, 28, 3) == (date(2024, 3, 29), date(2024, 4, 26), date(2024, 5, 24))
    # Calibration takes (3 + 1) * 7 days, and the horizon 5: an origin before 2024-02-03 cannot be tested.
    assert matured_origins(*days, PIPELINE, 28, 99)[0] == date(2024, 3, 1)
    with pytest.raises(NotFound, match="expected one with 5 days after it and 33 before it"):
        matured_origins(date(2024, 5, 1), days[1], PIPELINE, 28, 3)


def test_named_origins_must_have_come_and_matured() -> None:
    days = (date(2024, 1, 1), date(2024, 5, 29))
    assert checked_origins((date(2024, 5, 24), date(2024, 3, 1), date(2024, 3, 1)), *days, PIPELINE) == (
        date(2024, 3, 1),
        date(2024, 5, 24),
    )
    for origin in (date(2024, 5, 25), date(2023, 12, 31)):
        with pytest.raises(NotFound, match=f"{origin} cannot be an origin.* expected origins up to 2024-05-24"):
            checked_origins((origin,), *days, PIPELINE)


def test_an_origin_is_given_nothing_that_came_later() -> None:
    cube, _ = random_scene()
    known = cut(cube, ORIGINS[0])
    assert known.days[-1] == np.datetime64(ORIGINS[0])
    for arrays in (known.values, known.totals):
        assert {a.shape[-1] for a in arrays.values()} == {len(known.days)} == {len(known.open)}
    assert np.shares_memory(known.values["units"], cube.values["units"])


def test_rows_without_an_actual_or_a_forecast_are_left_out_for_every_method_and_counted() -> None:
    history, rows, methods = asked(ORIGINS[2])
    cube, _ = random_scene()
    missing = rows.target == rows.target[0]
    whole = replace(cube, open=cube.open & (cube.days != rows.target[0]))
    unsaid = methods["mean_28"].mean.copy()
    unsaid[-1] = np.nan
    less = methods | {"mean_28": Scores(mean=unsaid, quantiles=np.empty((len(rows), 0)))}
    found = compared(whole, history, rows, less, PIPELINE)
    assert found.left_out == {"without_actual": missing.sum(), "without_forecast": 1}
    assert len(found) == len(rows) - missing.sum() - 1
    assert {len(s.mean) for s in found.methods.values()} == {len(found)}
    assert rows.target[0] not in found.origin + found.horizon
    day = (found.origin + found.horizon - cube.days[0]).astype(int)
    assert found.actual.tolist() == cube.values["units"][found.group, day].tolist()


def test_days_after_the_history_have_no_actual() -> None:
    history, rows, methods = asked(ORIGINS[2])
    assert len(compared(history.cube, history, rows, methods, PIPELINE)) == 0


def test_numbers_are_those_of_an_independent_computation(found: Compared, told: dict[str, Any]) -> None:
    frame = pd.DataFrame({"origin": found.origin, "entity": found.group, "y": found.actual})
    for method, scores in found.methods.items():
        frame["f"], said = scores.mean, told["methods"][method]
        sums = frame.groupby(["origin", "entity"])[["y", "f"]].sum()
        assert said["wape_day"] == pytest.approx((frame.y - frame.f).abs().sum() / frame.y.sum(), abs=1e-6)
        assert said["wape_horizon"] == pytest.approx((sums.y - sums.f).abs().sum() / sums.y.sum(), abs=1e-6)
        assert said["bias"] == pytest.approx(frame.f.sum() / frame.y.sum() - 1, abs=1e-6)
        for name in ("mean_28", "seasonal_naive"):
            ratio = said["wape_horizon"] / told["methods"][name]["wape_horizon"]
            assert said[f"to_{name}"] == pytest.approx(ratio, abs=1e-5)
        part = frame[frame.origin == np.datetime64(ORIGINS[1])]
        by_origin = told["by_origin"][str(ORIGINS[1])]
        assert by_origin["rows"] == len(part)
        assert by_origin["methods"][method]["bias"] == pytest.approx(part.f.sum() / part.y.sum() - 1, abs=1e-6)
    assert told["rows"] == len(frame)
    assert told["share_of_zeros"] == pytest.approx((frame.y == 0).mean(), abs=1e-6)


def test_scaled_errors_are_of_entities_at_origins(found: Compared, told: dict[str, Any]) -> None:
    """Recomputed a group at a time from the cube."""
    cube, _ = random_scene()
    mase, rmsse = [], []
    model = found.methods["model"].mean
    groups = pd.DataFrame({"origin": found.origin, "group": found.group}).groupby(["origin", "group"]).groups
    starts = {str(o): int(found.group[found.origin == np.datetime64(o)].min()) for o in ORIGINS}
    first = {str(o): int(at(o).group.min()) for o in ORIGINS}
    for (origin, group), rows in groups.items():
        day = str(origin)[:10]
        entity = group - starts[day] + first[day]
        past = cube.days <= np.datetime64(day)
        values = cube.values["units"][entity]
        since = np.flatnonzero(values * cube.open > 0)[0]
        series = values[past & cube.open & (np.arange(len(values)) >= since)]
        steps, missed = np.diff(series), found.actual[rows] - model[rows]
        if len(steps) >= 28:
            mase.append(np.mean(np.abs(missed)) / np.mean(np.abs(steps)))
            rmsse.append(np.sqrt(np.mean(missed**2) / np.mean(steps**2)))
    assert len(mase) > 50
    assert told["methods"]["model"]["mase"] == pytest.approx(np.mean(mase), abs=1e-6)
    assert told["methods"]["model"]["rmsse"] == pytest.approx(np.mean(rmsse), abs=1e-6)


def test_quantiles_are_measured_where_a_method_has_some(found: Compared, told: dict[str, Any]) -> None:
    y, q = found.actual, found.methods["own_days_56"].quantiles
    losses = [np.maximum(a * (y - q[:, i]), (a - 1) * (y - q[:, i])).mean() for i, a in enumerate(LEVELS)]
    said = told["methods"]["own_days_56"]
    assert said["pinball"] == pytest.approx(np.mean(losses), abs=1e-6)
    assert [said[f"pinball_{n}"] for n in ("q10", "q50", "q90")] == pytest.approx(losses, abs=1e-6)
    assert said["share_below_q90"] == pytest.approx((y <= q[:, 2]).mean(), abs=1e-6)
    assert said["coverage"] == pytest.approx(((q[:, 0] <= y) & (y <= q[:, 2])).mean(), abs=1e-6)
    assert said["interval_width"] == pytest.approx((q[:, 2] - q[:, 0]).mean(), abs=1e-6)
    naive = told["methods"]["seasonal_naive"]
    assert {naive[n] for n in ("pinball", "pinball_q10", "share_below_q90", "coverage", "interval_width")} == {None}
    bare = replace(
        found, methods={n: Scores(mean=s.mean, quantiles=s.quantiles[:, :0]) for n, s in found.methods.items()}
    )
    without = report(bare, make_pipeline(forecast=replace(PIPELINE.forecast, quantiles=())), MADE_WITH)
    assert "pinball" not in without["methods"]["model"]
    assert "pinball" not in markdown(without)


def test_ratios_have_intervals_over_entities(found: Compared, told: dict[str, Any]) -> None:
    ratios = told["ratios"]["model"]
    assert told["ratios"].keys() == {"model"}
    for name in ("mean_28", "seasonal_naive"):
        ratio, low, high = ratios[f"to_{name}"]
        assert ratio == pytest.approx(told["methods"]["model"][f"to_{name}"], abs=1e-6)
        assert low < ratio < high
    assert {len(np.unique(found.group[found.entity == e])) for e in np.unique(found.entity)} <= {1, 2, 3}


def test_parts_hold_each_row_once(found: Compared, told: dict[str, Any]) -> None:
    for parts in (told["by_origin"], told["by_horizon"], told["by_slice"]):
        assert sum(part["rows"] for part in parts.values()) == len(found)
    assert list(told["by_horizon"]) == ["1", "2-5"]


def test_slices_are_those_that_the_pipeline_declares_for_its_nights() -> None:
    declared_ = AccuracySlices(active_share=None, level=LevelSlices(window=28, parts=2), keys=("sku",))
    pipeline = make_pipeline(monitoring=Monitoring(accuracy_slices=declared_))
    parts = [compared(random_scene()[0], *asked(origin), pipeline) for origin in ORIGINS]
    told = report(together(parts), pipeline, MADE_WITH)
    halves = [told["by_slice"][f"level_28 {at} of 2"] for at in (1, 2)]
    assert sum(half["rows"] for half in halves) == told["rows"]
    cube, _ = random_scene()
    entities = {cube.keys["sku"][int(e)].as_py() for e in together(parts).entity}
    assert {name.removeprefix("sku=") for name in told["by_slice"] if name.startswith("sku=")} - {"(other)"} <= entities
    assert "| level_28 1 of 2" in markdown(told)
    none = report(replace(together(parts), slices={}), pipeline, MADE_WITH)
    assert none["by_slice"] == {}
    assert "(none)" in markdown(none)


def test_what_no_reader_should_see_is_counted(told: dict[str, Any]) -> None:
    nothing = dict.fromkeys(("not_finite", "negative", "crossing"), 0)
    assert told["checks"] == dict.fromkeys(told["methods"], nothing)
    mean, q = np.ones(5), np.tile([0.0, 1.0, 2.0], (5, 1))
    mean[0], q[1, 2], q[2, 0], q[3] = np.nan, np.inf, -1.0, [3.0, 2.0, 1.0]
    found = backtest_report._checks(Scores(mean=mean, quantiles=q))
    assert found == {"not_finite": 2, "negative": 1, "crossing": 1}


def test_a_declaration_is_what_was_written_not_what_was_left_out() -> None:
    same = make_pipeline(title="Another title", forecast=replace(PIPELINE.forecast, max_missing_days=3))
    assert declared(same) == declared(PIPELINE)
    for change in (
        {"features": (windowed("rolling_mean", (7, 14)), windowed("active_share", (7,)))},
        {"forecast": replace(PIPELINE.forecast, quantiles=(0.5,))},
        {"model": replace(PIPELINE.model, cap=6.0)},
        {"monitoring": Monitoring(accuracy_slices=AccuracySlices(active_share=None))},
        {"model": replace(PIPELINE.model, training=Training(origins=15, sample=0.6))},
        {"model": replace(PIPELINE.model, parameters={**PIPELINE.model.parameters, "max_iter": 16})},
    ):
        assert declared(make_pipeline(**change)) != declared(PIPELINE)
    default = replace(PIPELINE.model, training=Training())
    assert declared(make_pipeline(model=default)) == declared(
        make_pipeline(model=replace(default, training=Training(origins=52, every_days=7, sample=1.0)))
    )


def test_tables_say_what_the_report_says(told: dict[str, Any]) -> None:
    text = markdown(told)
    model, naive = told["methods"]["model"], told["methods"]["seasonal_naive"]
    (line,) = [row for row in text.splitlines() if row.startswith("| **model**")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1:4] == [f"{model['wape_day']:.3f}", f"{model['wape_horizon']:.3f}", f"{model['bias']:+.3f}"]
    assert f"{naive['rmsse']:.3f}" in text
    assert all(str(origin) in text for origin in ORIGINS)
    assert len({len(row) for row in table(["a", "b"], [["long", "1"], ["x", "200"]]).splitlines()}) == 1


def test_a_readme_keeps_everything_but_the_block() -> None:
    first = written("# p\n\nText.\n", "one")
    assert first == f"# p\n\nText.\n\n## Backtest\n\n{BEGIN}\n\none\n\n{END}\n"
    moved = first.replace("## Backtest", "## How good") + "\n## Data\n"
    second = written(moved, "two")
    assert second == moved.replace("one", "two")
    assert (block_of(second), block_of("# p\n")) == ("two", None)


def test_entities_at_several_origins_are_groups_of_their_own(found: Compared) -> None:
    pairs = {(str(o), int(g)) for o, g in zip(found.origin, found.group, strict=True)}
    assert len(pairs) == len(set(found.group.tolist()))


def test_reference_forecasts_are_what_their_names_say() -> None:
    units = np.zeros((2, 70), dtype=int)
    units[0], units[1] = np.arange(70), 5
    opened = np.ones(70, bool)
    opened[-1] = False
    cube = make_cube(units, opened)
    calendar = random_scene(days=60)[1]
    history = History(cube)
    rows = scoring_rows(history, calendar, cube.days[-1], PIPELINE)
    said = reference_forecasts(history, rows, "units", (0.5, 0.9))
    first = rows.entity == 0
    assert set(rows.entity) == {0, 1}
    assert said["mean_28"].mean[first] == pytest.approx(np.arange(42, 69).mean())  # the origin itself is closed
    assert said["own_days_56"].mean[first] == pytest.approx(np.arange(14, 69).mean())
    assert said["own_days_56"].quantiles[first][0] == pytest.approx(np.quantile(np.arange(14, 69), [0.5, 0.9]))
    weekday = (rows.target - np.datetime64(MONDAY)).astype(int) % 7
    for day in np.unique(weekday):
        past = np.arange(69)[np.arange(69) % 7 == day]
        mine = first & (weekday == day)
        assert said["seasonal_naive"].mean[mine] == pytest.approx(past[-1])
        assert said["same_weekday_mean_8"].mean[mine] == pytest.approx(past[-8:].mean())
    assert {float(v) for s in said.values() for v in s.mean[~first]} == {5.0}
    assert said["mean_28"].quantiles.shape == (len(rows), 0)

"""Split-conformal quantiles: known answers, coverage, and what happens at the edges."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightcast.domain.conformal import ConformalTable, fit_table, table_from
from nightcast.errors import TrainingImpossible

pytestmark = pytest.mark.unit

LEVELS = (0.1, 0.5, 0.9)


def fit(y: object, prediction: object, sub: object = None, *, level_bins: int = 1, sub_bins: int = 1) -> ConformalTable:
    y, prediction = np.asarray(y, float), np.asarray(prediction, float)
    sub = np.zeros(len(y)) if sub is None else np.asarray(sub, float)
    return fit_table(y, prediction, sub, levels=LEVELS, level_bins=level_bins, sub_bins=sub_bins)


def test_the_ratio_is_the_ranked_one() -> None:
    table = fit([3, 1, 2, 9, 8, 7, 6, 5, 4], [1] * 9)  # n = 9: ranks 1, 5 and 9
    assert table.ratios == (((1.0, 5.0, 9.0),),)
    np.testing.assert_allclose(table.quantiles(np.array([2.0, 0.5]), np.zeros(2)), [[2, 10, 18], [0.5, 2.5, 4.5]])


def test_the_rank_is_rounded_up() -> None:
    table = fit(np.arange(1, 13), [1] * 12)  # 13 * 0.1 = 1.3, 6.5, 11.7
    assert table.ratios == (((2.0, 7.0, 12.0),),)


def test_bins_hold_equally_many_rows_and_belong_to_their_lower_edge() -> None:
    prediction = np.repeat([1.0, 2.0, 4.0], 20)
    y = prediction * np.tile(np.arange(1, 21), 3)
    table = fit(y, prediction, np.tile([0.0] * 10 + [1.0] * 10, 3), level_bins=3, sub_bins=2)
    assert table.level_edges == (2.0, 4.0)
    assert table.sub_edges == ((1.0,),) * 3
    assert table.ratios[1] == ((2.0, 6.0, 10.0), (12.0, 16.0, 20.0))  # ranks 2, 6, 10 of 10 and 11 - 1 of the rest
    found = table.quantiles(np.array([1.99, 2.0, 100.0]), np.array([0.0, 1.0, 0.99]))
    np.testing.assert_allclose(found[:, 1], [1.99 * 6, 2.0 * 16, 100 * 6])


def test_nan_belongs_to_the_last_sub_bin_when_fitted_and_when_asked() -> None:
    sub = [0.0] * 10 + [1.0] * 10 + [np.nan] * 5
    table = fit([1.0] * 10 + [2.0] * 15, [1] * 25, sub, sub_bins=2)
    assert table.quantiles(np.ones(3), np.array([0.0, 1.0, np.nan]))[:, 1].tolist() == [1.0, 2.0, 2.0]


def test_a_second_variable_without_a_value_is_one_bin() -> None:
    table = fit(np.arange(1, 10), [1] * 9, [np.nan] * 9, sub_bins=3)
    assert table.quantiles(np.ones(1), np.array([np.nan]))[0].tolist() == [1.0, 5.0, 9.0]


def test_a_cell_too_small_for_a_rank_takes_that_of_its_level_bin() -> None:
    sub = [0.0] * 12 + [1.0] * 4  # the edge is 0: all rows but none lie in the upper bin, the lower one is empty
    table = fit(np.arange(1, 17), [1] * 16, sub, sub_bins=2)
    assert table.sub_edges == ((0.0,),)
    assert table.ratios[0][0] == table.ratios[0][1] == (2.0, 9.0, 16.0)


def test_what_a_small_cell_borrows_never_crosses() -> None:
    y = np.concatenate([np.full(4, 50.0), np.arange(1, 21)])  # the first level bin is small and high
    prediction = np.concatenate([np.full(4, 1.0), np.full(20, 2.0)])
    table = fit_table(y, prediction, np.zeros(24), levels=LEVELS, level_bins=6, sub_bins=1)
    assert all(list(cell) == sorted(cell) for row in table.ratios for cell in row)
    assert table.ratios[0][0] == (50.0, 50.0, 50.0)


def test_predictions_of_zero_are_no_evidence_and_get_quantiles_of_zero() -> None:
    table = fit([*range(1, 10), 7, 7], [1] * 9 + [0, 0])
    assert table.ratios == (((1.0, 5.0, 9.0),),)
    assert table.quantiles(np.zeros(1), np.zeros(1)).tolist() == [[0.0, 0.0, 0.0]]


def test_too_few_rows_for_a_quantile_are_refused() -> None:
    with pytest.raises(TrainingImpossible, match="8 calibration rows"):
        fit(np.arange(1, 9), [1] * 8)


def test_a_table_survives_json() -> None:
    rng = np.random.default_rng(1)
    table = fit(rng.gamma(1, 2, 300), rng.gamma(1, 2, 300), rng.random(300), level_bins=5, sub_bins=3)
    assert table_from(json.loads(json.dumps(asdict(table)))) == table


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 4))
def test_quantiles_cover_the_rows_they_were_made_from_and_never_cross(seed: int, bins: int, subs: int) -> None:
    rng = np.random.default_rng(seed)
    prediction, sub = rng.gamma(1.0, 3.0, 400), rng.integers(0, 5, 400) / 4
    y = rng.poisson(prediction).astype(float)
    table = fit(y, prediction, sub, level_bins=bins, sub_bins=subs)
    found = table.quantiles(prediction, sub)
    assert (np.diff(found, axis=1) >= 0).all()
    assert np.isfinite(found).all()
    for level, column in zip(LEVELS, found.T, strict=True):
        assert (y <= column * (1 + 1e-12)).mean() >= level


def test_fresh_rows_are_covered_at_the_promised_rate() -> None:
    rng = np.random.default_rng(9)
    prediction = rng.gamma(1.0, 3.0, 20_000)
    y = prediction * rng.gamma(0.5, 2.0, 20_000)
    table = fit(y[:10_000], prediction[:10_000], level_bins=10)
    fresh = table.quantiles(prediction[10_000:], np.zeros(10_000))
    for level, column in zip(LEVELS, fresh.T, strict=True):
        assert abs((y[10_000:] <= column).mean() - level) < 0.02  # 4 standard errors

"""Sealing and opening a bundle: the same bytes every time, and the same forecast afterwards."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io

from modelling import FAMILIES, make_pipeline, trained
from nightcast import models
from nightcast.domain.forecast import check_fits, score
from nightcast.models.archive import digest
from nightcast.models.canonical import canonical
from nightcast.models.hist_gradient_boosting import dump

pytestmark = pytest.mark.unit

ABOUT = {"snapshot": "ab" * 32, "metrics": {"wape": 0.5}}
PROFILES = {"units": {"n": 3}}

TRAIN_ELSEWHERE = """
import sys
from modelling import trained
from nightcast import models
from nightcast.models.archive import digest
unrelated = [object() for _ in range({ballast})]  # moves every address
print(digest(models.seal(trained({family!r}), {about!r}, {profiles!r})))
assert ("lightgbm" in sys.modules) == ({family!r} == "lightgbm")  # nobody pays for the other family
"""


of_each_family = pytest.mark.parametrize("family", FAMILIES)


@of_each_family
@pytest.mark.parametrize(("threads", "ballast"), [(1, 10), (2, 100_000)])
def test_another_process_makes_the_same_bytes(repository: Path, family: str, threads: int, ballast: int) -> None:
    code = TRAIN_ELSEWHERE.format(family=family, ballast=ballast, about=ABOUT, profiles=PROFILES)
    search = os.pathsep.join([str(repository / "include"), str(repository / "tests")])
    environment = os.environ | {
        "PYTHONPATH": search,
        "OMP_NUM_THREADS": str(threads),
        "PYTHONHASHSEED": str(threads),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest(models.seal(trained(family), ABOUT, PROFILES))


@of_each_family
def test_an_opened_bundle_forecasts_to_the_bit_what_the_trained_model_did(family: str) -> None:
    fitted = trained(family)
    data = models.seal(fitted, ABOUT, PROFILES)
    opened = models.open_bundle(data, digest(data))
    assert (opened.about, opened.family) == (ABOUT, family)
    assert opened.profiles == PROFILES
    assert opened.differences == ()
    assert opened.digest == digest(data)
    assert opened.trained_with["numpy"] == np.__version__
    assert opened.fitted.plain() == fitted.plain()
    check_fits(opened.fitted, make_pipeline())
    x, scale = fitted.golden.inputs()
    one, other = score(fitted, x, scale, models.predict), score(opened.fitted, x, scale, models.predict)
    np.testing.assert_array_equal(one.mean, other.mean)
    np.testing.assert_array_equal(one.quantiles, other.quantiles)


@of_each_family
def test_an_opened_bundle_seals_to_the_same_bytes(family: str) -> None:
    data = models.seal(trained(family), ABOUT, PROFILES)
    opened = models.open_bundle(data, digest(data))
    assert models.seal(opened.fitted, opened.about, opened.profiles) == data


def test_the_canonical_form_is_stable_and_opens_with_plain_skops() -> None:
    model = trained().estimator.model
    first = dump(model)
    assert canonical(first) == first
    loaded = skops.io.loads(first, trusted=skops.io.get_untrusted_types(data=first))
    assert dump(loaded) == first
    x, _ = trained().golden.inputs()
    np.testing.assert_array_equal(loaded.predict(x), models.predict(trained().estimator, x))


def test_the_raw_dump_would_not_have_been_reproducible() -> None:
    assert skops.io.dumps(trained().estimator.model) != dump(trained().estimator.model)


@pytest.mark.parametrize(("family", "member"), [("hist_gradient_boosting", "model.skops"), ("lightgbm", "model.txt")])
def test_a_bundle_holds_no_clock_and_no_host(family: str, member: str) -> None:
    data = models.seal(trained(family), ABOUT, PROFILES)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["manifest.json", member, "profiles.json"]
        assert {e.date_time for e in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        manifest: dict[str, Any] = json.loads(archive.read("manifest.json"))
    assert set(manifest) == {"format", "environment", "recipe", "about"}
    assert "cpu" not in manifest["environment"]
    assert ("lightgbm" in manifest["environment"]) == (family == "lightgbm")

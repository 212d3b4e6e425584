"""The backtests that are committed beside pipelines: readable, whole, and of what the folder declares now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nightcast import spec
from nightcast.demo import backtest
from nightcast.demo.data import DemoData
from nightcast.domain.backtest_report import declared
from nightcast.domain.backtest_table import block_of, markdown
from nightcast.errors import Permanent
from nightcast.local import postgres
from nightcast.store import connect
from nightcast.store.queries import rows

FOLDERS = Path(__file__).resolve().parents[2] / "include" / "pipelines"
REPORTS = sorted(FOLDERS.glob("*/backtest.json"))
AGAIN = "the folder has changed since its backtest: run `make backtest`, and commit README.md and backtest.json"
METRICS = {
    *("wape_day", "wape_horizon", "bias", "rmsse", "mase", "pinball", "share_below_q90"),
    *("to_mean_28", "to_seasonal_naive"),
}


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_daily_demand_has_one() -> None:
    assert [f.parent.name for f in REPORTS] == ["daily_demand"]


@pytest.mark.parametrize("file", REPORTS, ids=lambda f: f.parent.name)
def test_the_readme_says_what_the_report_says(file: Path) -> None:
    assert block_of((file.parent / "README.md").read_text()) == markdown(read(file)), AGAIN


@pytest.mark.parametrize("file", REPORTS, ids=lambda f: f.parent.name)
def test_the_report_is_of_what_the_folder_declares(file: Path) -> None:
    folder, made_with = spec.load_folder(file.parent), read(file)["made_with"]
    assert made_with["spec"] == declared(folder.pipeline), AGAIN
    others = {f.stem: declared(spec.with_model(folder, f)) for f in (file.parent / "alternatives").glob("*.yaml")}
    assert made_with["other_models"] == others, AGAIN


@pytest.mark.parametrize("file", REPORTS, ids=lambda f: f.parent.name)
def test_the_report_is_whole(file: Path) -> None:
    report = read(file)
    assert report["pipeline"] == file.parent.name
    assert ",".join(report["origins"]) == backtest.ORIGINS
    assert report["methods"].keys() >= {"model", "lightgbm", "seasonal_naive", "mean_28", "own_days_56", "adida"}
    for methods in (report["methods"], *(part["methods"] for part in report["by_origin"].values())):
        assert all(found.keys() >= METRICS for found in methods.values())
        assert methods["mean_28"]["to_mean_28"] == methods["seasonal_naive"]["to_seasonal_naive"] == 1
    assert report["ratios"]["lightgbm"].keys() == {"to_mean_28", "to_seasonal_naive", "to_model"}
    parts = (report["by_origin"], report["by_horizon"], report["by_slice"])
    assert {sum(part["rows"] for part in each.values()) for each in parts} == {report["rows"]}
    assert {count for checks in report["checks"].values() for count in checks.values()} == {0}


def test_the_table_is_made_on_a_machine_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever the user set for the demo or for an installation does not reach it."""
    for name in ("DATABASE_URL", "LAKE", "POSTGRES_URL", "PIPELINES", "SOURCE_RETAIL", "STATE"):
        monkeypatch.setenv(f"NIGHTCAST_{name}", "postgresql://theirs")
    local = backtest.open_state({"NIGHTCAST_STATE": str(tmp_path / "machine")})
    settings = backtest.settings_of(local)
    assert not [name for name, value in settings.items() if "theirs" in value]
    assert settings["NIGHTCAST_LAKE"] == str(tmp_path / "machine" / "lake")
    assert f":{local.ports['postgres']}/" in settings["NIGHTCAST_DATABASE_URL"]
    assert Path(settings["NIGHTCAST_PIPELINES"]) == FOLDERS


def test_everything_that_stands_in_the_table_is_asked_for() -> None:
    asked = backtest.default_arguments()
    assert asked[:2] == ["--origins", backtest.ORIGINS]
    assert asked[-1] == "--write"
    assert str(FOLDERS / "daily_demand" / "alternatives" / "lightgbm.yaml") in asked


@pytest.mark.postgres
def test_what_is_imported_is_kept_until_something_else_would_be_imported(
    monkeypatch: pytest.MonkeyPatch, enterable: Path
) -> None:
    """The machine is a real one; only what would take a minute is left out."""
    imports: list[str] = []
    monkeypatch.setattr(backtest, "STATE", str(enterable / "machine"))
    monkeypatch.setattr(backtest, "_import", lambda local, *_: imports.append(local.instance))
    file = enterable / "lines.csv.xz"
    fetched = DemoData(file, "a test", complete=False)

    def start() -> None:
        with backtest.machine_with(fetched, lambda _: None) as settings, connect.transaction(of(settings)) as tx:
            assert rows(tx, "SELECT current_database() AS name") == [{"name": "nightcast"}]
        assert postgres.running(enterable / "machine" / "postgres") is None

    file.write_bytes(b"one")
    start()
    start()
    assert len(imports) == 1
    file.write_bytes(b"two")
    monkeypatch.setattr(backtest, "_import", fails)
    with pytest.raises(Permanent, match="half of it"):
        start()
    assert not (enterable / "machine" / "imported").exists()  # so the next start imports again
    postgres.remove(enterable / "machine" / "postgres")


def of(settings: Mapping[str, str]) -> str:
    return settings["NIGHTCAST_DATABASE_URL"]


def fails(*_: object) -> None:
    raise Permanent("half of it is there")

"""What goes wrong is one message on standard error, with the page that explains it, and never a password."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.calling import ENGINE, bad, call, cli
from steps.world import NEXT, PIPELINE, World

pytestmark = pytest.mark.postgres

COMMANDS = (
    *("runs", "show", "explain", "reproduce", "seconds"),
    *("try", "night", "step", "import", "train", "backtest"),
    *("new", "lint", "schema", "docs", "db"),
)
WRONG = "wrong-secret"


def test_help_lists_every_command_and_each_has_its_own(tmp_path: Path) -> None:
    """Without settings: help must work where nothing is installed yet."""
    whole = call({}, tmp_path, "--help")
    assert whole.returncode == 0
    for command in COMMANDS:
        assert f" {command} " in whole.stdout
        told = call({}, tmp_path, command, "--help")
        assert told.returncode == 0
        assert f"Usage: nightcast {command} " in told.stdout
    for command in ("plan", "apply"):
        assert call({}, tmp_path, "db", command, "--help").returncode == 0


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["runs"], 1), (["nonsense"], 2)])
def test_a_command_ends_with_its_own_code_whatever_the_teardown_would_do(
    tmp_path: Path, arguments: list[str], code: int
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import atexit, os\natexit.register(os.abort)\n")
    done = call({"PYTHONPATH": f"{ENGINE}:{tmp_path}"}, tmp_path, *arguments)
    assert done.returncode == code
    plain = call({}, tmp_path, *arguments)
    assert (done.stdout, done.stderr) == (plain.stdout, plain.stderr)


def test_a_setting_that_is_missing_is_named(tmp_path: Path) -> None:
    done = call({}, tmp_path, "runs")
    assert done.returncode == 1
    assert done.stderr.startswith("SettingMissing: NIGHTCAST_DATABASE_URL is not set")
    assert done.stderr.endswith("Runbook: docs/runbooks/setting-missing.md\n")
    assert done.stdout == ""


def test_what_does_not_exist_is_not_found(published: World) -> None:
    assert bad(published, "show", 4711).startswith("NotFound: there is no run 4711; `nightcast runs` lists them")
    by_hand = bad(published, "seconds", 1)
    assert by_hand.startswith("NotFound: run 1 was not made by this machine's Airflow")
    assert bad(published, "step", "publich", "--run", 1).startswith(
        "NotFound: there is no step 'publich'; expected one"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("night", PIPELINE, "--origin", "yesterday"),
        ("try", PIPELINE, "--origin", "2011-02-30"),
        ("explain", PIPELINE, "A", "27.10.2011"),
        ("import", PIPELINE, "--first", "2011", "--last", "2011-10-27"),
        ("train", PIPELINE, "--through", "now"),
    ],
)
def test_a_day_that_is_none_is_told_before_anything_is_done(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = call({}, tmp_path, *arguments)
    assert done.returncode == 2
    assert "is not a day; expected YYYY-MM-DD" in done.stderr
    assert "Traceback" not in done.stderr


def test_values_out_of_range_are_told(tmp_path: Path) -> None:
    for arguments in (
        ("night", PIPELINE, "--origin", "2011-10-27", "--mode", "whatever"),
        ("step", "predict", "--run", 1, "--shard", -1),
        ("reproduce", 1, "--shards", 0),
        ("reproduce", 1, "--threads", 0),
        ("show", "latest"),
    ):
        done = call({}, tmp_path, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Usage: nightcast" in done.stderr


def test_an_import_backwards_is_refused(published: World) -> None:
    told = bad(published, "import", PIPELINE, "--first", "2011-10-02", "--last", "2011-10-01")
    assert told.startswith("NightRefused: the days to import go from 2011-10-02 to 2011-10-01")


def test_a_postgres_that_refuses_or_does_not_answer_is_told_without_its_password(published: World) -> None:
    good = published.environment["NIGHTCAST_DATABASE_URL"]
    refused = good.replace("writer-secret", WRONG)
    silent = refused.replace(f":{published.server.port}/", ":1/")
    for url, error in ((refused, "SettingMissing"), (silent, "StoreUnavailable")):
        told = bad(published, "runs", NIGHTCAST_DATABASE_URL=url)
        assert told.startswith(error)
        assert WRONG not in told
    unreadable = cli(published, "runs", NIGHTCAST_DATABASE_URL=f"mysql://writer:{WRONG}@host/db")
    assert unreadable.returncode == 1
    assert WRONG not in unreadable.stderr


def test_a_source_that_refuses_or_does_not_answer_is_told_without_its_password(served: World) -> None:
    secret = served.retail.reader.split(":")[2].split("@")[0]
    refused = served.retail.reader.replace(secret, WRONG)
    silent = refused.replace(f":{served.server.port}/", ":1/")
    for url in (refused, silent):
        told = bad(served, "night", PIPELINE, "--origin", NEXT, NIGHTCAST_SOURCE_RETAIL=url)
        assert "Source" in told.splitlines()[-1] or "source-" in told.splitlines()[-1] or "SettingMissing" in told
        assert WRONG not in told
    assert WRONG not in str(served.last_run().reason)

"""The plugin inside Airflow's own api-server app, with Airflow's own logins."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestration.conftest import ROOT, run_python
from store.conftest import Memory

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]

PASSWORDS = {"eve": "eves-password", "vic": "vics-password"}
PAGES = ("/nightcast/", "/nightcast/runs/1")
OTHERS = ("/nightcast/docs", "/nightcast/openapi.json", "/api/v2/plugins", "/api/v2/plugins/importErrors")


@pytest.fixture
def answers(memory: Memory, airflow_environment: Callable[..., dict[str, str]], tmp_path: Path) -> dict[str, Any]:
    """What everybody is answered."""
    passwords = tmp_path / "passwords.json"
    passwords.write_text(json.dumps(PASSWORDS))
    simple = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_"
    env = airflow_environment(
        tmp_path,
        NIGHTCAST_DATABASE_URL=memory.url("nightcast_writer"),
        AIRFLOW__API_AUTH__JWT_SECRET="x" * 64,
        **{f"{simple}USERS": "eve:admin,vic:viewer", f"{simple}PASSWORDS_FILE": str(passwords)},
    )
    asked = json.dumps({"users": PASSWORDS, "paths": [*PAGES, *OTHERS]})
    output = run_python([str(ROOT / "tests/web/airflow_answers.py")], env, asked)
    found: dict[str, Any] = json.loads(output.rpartition("=== answers ===\n")[2])
    return found


def test_pages_are_for_those_whom_airflow_knows(answers: dict[str, Any]) -> None:
    for page in PAGES:
        assert answers["stranger"][page][0] == 401
    for user in PASSWORDS:
        status, text = answers[user]["/nightcast/"]
        assert status == 200
        assert "Units per sku and day" in text
        assert answers[user]["/nightcast/runs/1"][0] == 404
    for path in ("/nightcast/docs", "/nightcast/openapi.json"):
        assert {answers[user][path][0] for user in answers} == {404}
    assert answers["eve"]["/api/v2/plugins/importErrors"][0] == 200
    assert json.loads(answers["eve"]["/api/v2/plugins/importErrors"][1])["import_errors"] == []
    assert '"href":"/nightcast/"' in answers["eve"]["/api/v2/plugins"][1]

"""Asks Airflow's own api-server app, in a process of its own, for Nightcast's pages: as a stranger, then as users.

Input: JSON {users: {name: password}, paths} on stdin; output: JSON {user: {path: [status, start of the text]}}.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from airflow.api_fastapi.app import create_app
from fastapi.testclient import TestClient

asked = json.load(sys.stdin)
app = create_app()
answers: dict[str, Any] = {}
with TestClient(app, base_url="http://testserver") as client:
    for user, password in {"stranger": None, **asked["users"]}.items():
        headers = {}
        if password:
            login = client.post("/auth/token", json={"username": user, "password": password})
            headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
        found = {path: client.get(path, headers=headers, follow_redirects=False) for path in asked["paths"]}
        answers[user] = {path: [answer.status_code, answer.text[:2000]] for path, answer in found.items()}
print("\n=== answers ===\n" + json.dumps(answers))

"""The pages, asked over HTTP, on a real database."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from nightcast.domain.decision import Asked, DecisionKind
from nightcast.domain.night import RunState
from nightcast.domain.verdict import CheckResult, CheckState
from nightcast.store import accuracy, checks, decisions, fence, publication, runs, scores
from nightcast.store.accuracy import AccuracyScore
from nightcast.store.decisions import About
from nightcast.store.scores import DriftScore
from nightcast.web.app import make_app
from store.conftest import ORIGIN, Memory

pytestmark = pytest.mark.postgres

HOSTILE = "<script>alert('x')</script> & \"more\""
KEY = {"X-Key": "open"}


def guard(x_key: str = Header(default="")) -> None:
    if x_key != "open":
        raise HTTPException(401)


@pytest.fixture
def app(memory: Memory) -> FastAPI:
    """The pages of that database, for whoever has the key."""
    return make_app([Depends(guard)], lambda: memory.url("nightcast_writer"))


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    """A visitor with the key."""
    return TestClient(app, headers=KEY)


@pytest.fixture
def published(memory: Memory) -> int:
    """A published night."""
    memory.live_model()
    run_id = memory.scored_run().run_id
    with memory.writing() as tx:
        attempt = fence.claim(tx, run_id, "audit")
        fence.done(tx, run_id, "audit", 0, attempt, counts={"rows": 1234}, cpu_seconds=0.5)
        publication.publish(tx, run_id)
    return run_id


@pytest.fixture
def stopped(memory: Memory) -> int:
    """A stopped night, with names and reasons that somebody else chose."""
    with memory.writing() as tx:
        run_id = runs.open_run(tx, memory.pipeline.name, ORIGIN, scheduler_run_id=HOSTILE).run_id
        found = [
            CheckResult(check_id="rows.fine", state=CheckState.PASS, message="fine"),
            CheckResult(check_id="rows.bad", state=CheckState.FAIL, message=HOSTILE, observed=HOSTILE, limit=HOSTILE),
        ]
        checks.replace(tx, run_id, "validate", found)
        attempt = fence.claim(tx, run_id, "validate")
        fence.failed(tx, run_id, "validate", 0, attempt, ValueError(HOSTILE))
        runs.finish(tx, run_id, RunState.STOPPED, HOSTILE)
    return run_id


def drift(column: str, value: float | None, **more: Any) -> DriftScore:
    """A score against the same weekday."""
    what = {"reference": "same_weekday_8", "kind": "attribute", "column_name": column, "statistic": "l_infinity"}
    return DriftScore(**what, value=value, definition="max |p - q|", n_reference=80, n_current=10, **more)


class Tags(HTMLParser):
    """Collects the tags of a page, and makes sure that each that is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name == "src"]
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def tags_of(html: str) -> list[str]:
    parser = Tags()
    parser.feed(html)
    assert parser.open == []
    return parser.seen


def test_every_route_asks_who_is_there(app: FastAPI, published: int) -> None:
    stranger = TestClient(app)
    for path in ("/", f"/runs/{published}", "/runs/999"):
        assert stranger.get(path).status_code == 401
    for route in app.routes:
        assert isinstance(route, APIRoute), f"{route} is not guarded"
        assert guard in [d.call for d in route.dependant.dependencies]


def test_there_is_no_app_without_a_guard() -> None:
    with pytest.raises(ValueError, match="guard"):
        make_app([], lambda: "")


def test_there_is_nothing_but_the_pages(client: TestClient) -> None:
    for path in ("/docs", "/redoc", "/openapi.json", "/static/x.css", "/runs"):
        assert client.get(path).status_code == 404
    assert client.post("/").status_code == 405


def test_the_board_shows_freshness_and_the_last_nights(client: TestClient, published: int) -> None:
    text = client.get("/").text
    for part in (
        "Due, and not published",
        "demand",
        "Units per sku and day",
        "2011-10-31",
        "published",
        f'href="runs/{published}"',
    ):
        assert part in text
    assert "late by" in text, "the last night is years ago"


def test_an_empty_installation_has_a_board(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert "never published" in answer.text
    assert "None." in answer.text


def test_a_run_shows_pins_counts_and_steps(client: TestClient, published: int) -> None:
    text = client.get(f"/runs/{published}").text
    assert "Readers see this run." in text
    assert "10 pulled = 7 accepted + 2 quarantined + 1 duplicates" in text
    assert "6 of 6 expected" in text
    assert "rows 1,234" in text


def test_a_run_shows_how_its_forecast_did(client: TestClient, memory: Memory, published: int) -> None:
    assert "<h2>Accuracy</h2><p>None.</p>" in client.get(f"/runs/{published}").text
    about = {"horizon_bucket": "2-7", "maturity": "provisional", "n": 4, "sum_actual": 8.0, "reason": None}
    about |= {"run_id": published, "days_compared": 2, "days_forecast": 6}
    values = {("model", "wape_day"): 0.625, ("seasonal_naive", "wape_day"): 0.75, ("model", "bias"): -0.05}
    with memory.writing() as tx:
        found = [AccuracyScore(method=m, metric=k, value=v, **about) for (m, k), v in values.items()]
        accuracy.add(tx, found)
    text = client.get(f"/runs/{published}").text
    for part in ("this one", "2-7", "2 of 6 days", "provisional", "62.5 %", "75.0 %", "-5.0 %"):
        assert part in text


def test_a_night_with_several_revisions_says_why(client: TestClient, memory: Memory, published: int) -> None:
    assert "Revisions of this night" not in client.get(f"/runs/{published}").text
    newer = memory.scored_run(memory.forecast(level=2.0), inputs="other").run_id
    with memory.writing() as tx:
        publication.publish(tx, newer, lambda then, now: f"not as run {then.run_id}: {HOSTILE}")
    for run in (published, newer):
        text = client.get(f"/runs/{run}").text
        assert "Revisions of this night" in text
        assert f"replaced by run {newer}: not as run {published}: &lt;script&gt;" in text
        assert "script" not in tags_of(text)
    assert "Readers do not see this run." in client.get(f"/runs/{published}").text


def test_a_run_shows_what_people_decided_about_it(client: TestClient, memory: Memory, published: int) -> None:
    assert "Decisions" not in client.get(f"/runs/{published}").text
    about = About(pipeline=memory.pipeline.name, run_id=published)
    with memory.writing() as tx:
        made = decisions.enter(tx, DecisionKind.WITHDRAW, about, Asked(who="ann", reason=HOSTILE))
    answer = client.get(f"/runs/{published}")
    assert "script" not in tags_of(answer.text)
    for part in ("<h2>Decisions</h2>", f">{made.decision_id}<", "withdraw", "ann", "alert("):
        assert part in answer.text


def test_a_stopped_run_says_first_what_broke(client: TestClient, stopped: int) -> None:
    text = client.get(f"/runs/{stopped}").text
    assert "Readers do not see this run." in text
    assert text.index("rows.bad") < text.index("rows.fine")
    assert "Runbooks: <code>docs/runbooks/checks/rows.md</code>" in text
    assert "ValueError" in text


def test_a_run_shows_what_moved_and_what_could_not_be_measured(
    client: TestClient, memory: Memory, published: int
) -> None:
    found = [
        drift("country", 0.1, rank=0.01, rank_n=99, moved="level EIRE fell from 3.1 % to 0 %"),
        drift("kind", 0.2, rank=0.25, rank_n=3, slice=HOSTILE, moved=HOSTILE),
        drift("free", None, reason="the day is closed"),
    ]
    with memory.writing() as tx:
        scores.replace(tx, published, found)
    text = client.get(f"/runs/{published}").text
    assert "level EIRE fell from 3.1 % to 0 %" in text
    assert "0.010 of 99 nights" in text
    assert "0.250 of 3 nights, provisional" in text
    assert text.index("country") < text.index("kind")
    assert "the day is closed (same_weekday_8)" in text
    assert "script" not in tags_of(text)


def test_texts_of_others_are_shown_and_never_run(client: TestClient, stopped: int) -> None:
    for path in ("/", f"/runs/{stopped}"):
        answer = client.get(path)
        assert "&lt;script&gt;" in answer.text
        assert "script" not in tags_of(answer.text)
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_pages_need_nothing_from_outside(client: TestClient, published: int) -> None:
    for path in ("/", f"/runs/{published}"):
        text = client.get(path).text
        assert not {"script", "img", "link", "iframe"} & set(tags_of(text))
        assert "http" not in text
        assert "color-scheme: light dark" in text
        assert len(text) < 20_000


def test_a_run_that_does_not_exist_is_404_with_its_runbook(client: TestClient) -> None:
    answer = client.get("/runs/999")
    assert answer.status_code == 404
    assert "docs/runbooks/not-found.md" in answer.text
    assert client.get("/runs/first").status_code == 422


def test_a_database_that_is_away_is_503_and_keeps_its_password() -> None:
    url = "postgresql+psycopg2://nightcast_writer:secret-word@127.0.0.1:1/nightcast"
    answer = TestClient(make_app([Depends(guard)], lambda: url), headers=KEY).get("/")
    assert answer.status_code == 503
    assert "docs/runbooks/store-unavailable.md" in answer.text
    assert "secret-word" not in answer.text


def test_pages_cannot_write(client: TestClient, published: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nightcast.web.app.runs.get", lambda tx, run_id: fence.claim(tx, run_id, "audit"))
    assert client.get(f"/runs/{published}").status_code == 503

"""The FastAPI app of the pages. It has no access rule of its own and cannot be made without one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from nightcast.domain.night import RunKind
from nightcast.errors import NightcastError, NotFound
from nightcast.store import accuracy, checks, connect, decisions, fence, overview, publication, runs, scores
from nightcast.web import pages

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def make_app(guards: Sequence[Any], database_url: Callable[[], str], nights: int = 50) -> FastAPI:
    """The app. Every route has the `guards` (FastAPI dependencies that refuse whoever may not read).

    There are no routes but the pages: no docs, no schema, no static files, which guards would not cover.
    """
    if not guards:
        raise ValueError("the pages need at least one guard; expected a dependency that asks who is there")
    app = FastAPI(title="Nightcast", dependencies=list(guards), docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/", response_class=HTMLResponse)
    def board() -> HTMLResponse:
        with _snapshot(database_url()) as tx:
            return _page(pages.board(overview.freshness(tx), overview.unpublished(tx), overview.nights(tx, nights)))

    @app.get("/runs/{run_id}", response_class=HTMLResponse)
    def run(run_id: int) -> HTMLResponse:
        with _snapshot(database_url()) as tx:
            found = runs.get(tx, run_id)
            night = publication.revisions(tx, found.pipeline, found.origin) if found.kind is RunKind.NIGHT else []
            drift = scores.of_run(tx, run_id) if found.kind is not RunKind.IMPORT else []  # that scores many nights
            errors = accuracy.summary(tx, found.pipeline, run_id, found.origin)
            judged, steps = checks.of_run(tx, run_id), fence.attempts(tx, run_id)
            decided = decisions.of_run(tx, run_id)
            return _page(pages.run(found, night, decided, judged, steps, drift, errors))

    @app.exception_handler(NightcastError)
    def refused(_: Request, error: NightcastError) -> HTMLResponse:
        return _page(pages.problem(error), status=404 if isinstance(error, NotFound) else 503)

    return app


@contextmanager
def _snapshot(url: str) -> Iterator[Any]:
    """One read-only transaction, so that all parts of a page are of the same instant."""
    with connect.transaction(url) as tx:
        tx.set_session(isolation_level="REPEATABLE READ", readonly=True)
        yield tx


def _page(html: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(html, status_code=status, headers=HEADERS)

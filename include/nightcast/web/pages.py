"""HTML of the pages: tables that a browser, a printer and a screen reader can use. No scripts, nothing from outside."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from html import escape
from typing import Any

from nightcast.domain.night import RunState
from nightcast.domain.verdict import CheckState, check_runbook
from nightcast.errors import NightcastError
from nightcast.store.accuracy import Summary
from nightcast.store.checks import StoredCheck
from nightcast.store.decisions import Decision
from nightcast.store.fence import StepAttempt
from nightcast.store.overview import Freshness, NightRow, Unpublished
from nightcast.store.publication import Publication
from nightcast.store.runs import Run
from nightcast.store.scores import DriftScore, most_unusual, without_value

STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); }
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 90rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.s, td.n { white-space: nowrap; }
td.n { text-align: right; font-variant-numeric: tabular-nums; } code { overflow-wrap: anywhere; }
.good, .warn, .bad { font-weight: 600; }
.good { color: light-dark(#116329, #4ac26b); } .warn { color: light-dark(#7d4e00, #d4a72c); }
.bad { color: light-dark(#a40e26, #ff8182); }
""".strip()

DRIFT_ROWS = 20
LACKING_ROWS = 50
SHORT = 32  # characters that are not broken into lines

TONES = {
    **dict.fromkeys(("published", "unchanged", "done", "pass"), "good"),
    **dict.fromkeys(("stopped", "failed", "fail", "error"), "bad"),
    **dict.fromkeys(("superseded", "too_old", "warn", "quarantine", "waived"), "warn"),
}


def board(freshness: Sequence[Freshness], lacking: Sequence[Unpublished], nights: Sequence[NightRow]) -> str:
    """The first page: how fresh each pipeline is, which nights readers do not have, and its last nights."""
    fresh = [(f.pipeline, f.title, f.owner, f.last_published_origin, f.expected_origin, _late(f)) for f in freshness]
    last = [
        (
            _run_link(n.run_id),
            n.pipeline,
            n.origin,
            _state(n.state),
            _revision(n.revision, shown=n.shown),
            n.model_version,
            *(n.pulled, n.accepted, n.quarantined, n.duplicates, n.predictions),
            n.ended_at and n.ended_at - n.opened_at,
            n.reason,
        )
        for n in nights
    ]
    about = ["Pipeline", "What", "Owner", "Readers see", "Expected", "State"]
    heads = ["Run", "Pipeline", "Origin", "State", "Revision", "Model", "Pulled", "Accepted", "Quarantined"]
    heads += ["Duplicates", "Predictions", "Took", "Reason"]
    body = "<h2>Pipelines</h2>" + _table(about, fresh) + _lacking(lacking) + "<h2>Nights</h2>" + _table(heads, last)
    return _document("Nightcast", body)


def _lacking(found: Sequence[Unpublished]) -> str:
    """Nights that are due and that readers do not have; none is passed over in silence."""
    rows = [
        (n.pipeline, n.origin, _state(n.state or "never run"), n.run and _run_link(n.run), n.due, n.reason)
        for n in found[:LACKING_ROWS]
    ]
    more = f"<p>The newest {LACKING_ROWS} of {len(found):,}.</p>" if len(found) > LACKING_ROWS else ""
    heads = ["Pipeline", "Origin", "State", "Run", "Was due", "Reason"]
    return "<h2>Due, and not published</h2>" + _table(heads, rows) + more


def _run_link(run_id: int) -> str:
    return _Html(f'<a href="runs/{run_id}">{run_id}</a>')


def run(
    run: Run,
    night: Sequence[Publication],
    decided: Sequence[Decision],
    checks: Sequence[StoredCheck],
    attempts: Sequence[StepAttempt],
    drift: Sequence[DriftScore],
    errors: Sequence[Summary],
) -> str:
    """One run: what became of it, the revisions of its `night`, what people decided about it, its pins, its checks
    (worst first), its drift (most unusual first), how its forecast did, and its steps.
    """
    shown = [p for p in night if p.run_id == run.run_id]
    judged = [
        (_state(c.state), c.check_id, c.step, c.scope, c.message, c.observed, c.limit, c.bad_rows, c.rows)
        for c in checks
    ]
    steps = [
        (a.step, a.shard, a.attempt, _state(a.state), a.started_at, a.seconds, a.cpu_seconds, _counts(a), _error(a))
        for a in attempts
    ]
    body = (
        f'<p><a href="../">All nights</a></p><p>{_headline(run, shown)}</p>'
        + _table(["", ""], _facts(run, shown))
        + _revisions(night)
        + _decisions(decided)
        + "<h2>Checks</h2>"
        + _runbooks(checks)
        + _table(["State", "Check", "Step", "Scope", "What was found", "Observed", "Limit", "Bad rows", "Rows"], judged)
        + _drift(drift)
        + "<h2>Accuracy</h2>"
        + _accuracy(run, errors)
        + "<h2>Steps</h2>"
        + _table(["Step", "Shard", "Attempt", "State", "Started", "Seconds", "CPU s", "Counts", "Error"], steps)
    )
    return _document(f"{run.pipeline} {run.origin}, run {run.run_id}", body)


def _runbooks(checks: Sequence[StoredCheck]) -> str:
    """The pages that explain what did not pass."""
    told = dict.fromkeys(check_runbook(c.check_id) for c in checks if c.state is not CheckState.PASS)
    named = ", ".join(f"<code>docs/runbooks/{escape(page)}</code>" for page in told)
    return f"<p>Runbooks: {named}</p>" if told else ""


def _revisions(night: Sequence[Publication]) -> str:
    """Where the night was published more than once, or withdrawn: each revision, and why it was."""
    if not any(p.withdrawn_at for p in night):
        return ""
    rows = [
        (p.revision, _Html(f'<a href="{p.run_id}">{p.run_id}</a>'), p.published_at, p.withdrawn_at, p.reason)
        for p in reversed(night)
    ]
    heads = ["Revision", "Run", "Published", "Withdrawn", "Because"]
    return "<h2>Revisions of this night</h2>" + _table(heads, rows)


def _decisions(decided: Sequence[Decision]) -> str:
    """What people decided about the run, and what was undone."""
    if not decided:
        return ""
    rows = [(str(d.decision_id), d.kind, d.check_id, d.first_day, d.who, d.at, d.reason, d.undone_by) for d in decided]
    heads = ["Decision", "Kind", "Check", "Day", "By", "At", "Because", "Undone by"]
    return "<h2>Decisions</h2>" + _table(heads, rows)


def _drift(found: Sequence[DriftScore]) -> str:
    """What moved most against its own past, and what could not be measured."""
    told = [
        (s.what, s.kind, s.reference, s.statistic, s.value, s.ranked, s.moved) for s in most_unusual(found, DRIFT_ROWS)
    ]
    gaps = [(reason, ", ".join(columns)) for reason, columns in without_value(found).items()]
    heads = ["Column", "Kind", "Against", "Statistic", "Value", "Rank", "What moved"]
    about = f"{len(found):,} scores; a rank is the share of nights that lie at least as far, with this one."
    body = "<h2>Drift</h2>" + f"<p>{about}</p>" + _table(heads, told)
    return body + (_table(["Without a value", "Columns"], gaps) if gaps else "")


def problem(error: NightcastError) -> str:
    """A page for what could not be shown."""
    text = f"<p>{escape(str(error))}</p><p>Runbook: <code>docs/runbooks/{escape(error.runbook)}</code></p>"
    return _document(type(error).__name__, text)


class _Html(str):
    """Text that is HTML already; all other text is escaped."""

    __slots__ = ()


def _headline(run: Run, shown: Sequence[Publication]) -> str:
    seen = any(p.withdrawn_at is None for p in shown)
    readers = "Readers see this run." if seen else "Readers do not see this run."
    return f"{_state(run.state)}{': ' + escape(run.reason) if run.reason else ''}. {readers}"


def _accuracy(run: Run, errors: Sequence[Summary]) -> str:
    """By days ahead, as far as they have come; and the whole horizon of the nights before."""
    heads = ["Night", "Days ahead", "Come", "Maturity", "WAPE by day", "Seasonal naive", "Value added"]
    heads += ["WAPE over the horizon", "Bias", "Coverage", "Churn"]
    rows = []
    for s in errors:
        night = "this one" if s.run_id == run.run_id else _Html(f'<a href="{s.run_id}">{s.origin}</a>')
        rows.append((night, s.horizon_bucket, s.come, s.maturity, *map(_percent, s.shares)))
    return _table(heads, rows)


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share * 100:,.1f} %"


def _facts(run: Run, shown: Sequence[Publication]) -> list[tuple[str, Any]]:
    revisions = ", ".join(str(p.revision) + (" (withdrawn)" if p.withdrawn_at else "") for p in shown)
    commit = run.code_commit and run.code_commit + (" (with local changes)" if run.code_dirty else "")
    return [
        ("Kind", f"{run.kind}, attempt {run.attempt}, {run.mode}"),
        ("Scheduler's run", run.scheduler_run_id),
        ("Opened", run.opened_at),
        ("Ended", run.ended_at),
        ("Revision", revisions or None),
        ("Window", f"{run.window_start} to {run.window_end}" if run.window_start else None),
        ("Rows", _reconciled(run)),
        ("Predictions", f"{_cell(run.predictions)} of {_cell(run.expected)} expected"),
        ("Model version", run.model_version),
        ("Looked ahead", run.look_ahead),
        *((name, value and _Html(f"<code>{escape(value)}</code>")) for name, value in _digests(run, commit)),
    ]


def _digests(run: Run, commit: str | None) -> list[tuple[str, str | None]]:
    return [
        ("Code", commit),
        ("Spec", run.spec_digest),
        ("Snapshot", run.manifest_digest),
        ("Inputs", run.input_digest),
        ("Rows digest", run.row_digest),
    ]


def _reconciled(run: Run) -> str:
    parts = (("accepted", run.accepted), ("quarantined", run.quarantined), ("duplicates", run.duplicates))
    return f"{_cell(run.pulled)} pulled = " + " + ".join(f"{_cell(value)} {name}" for name, value in parts)


def _late(fresh: Freshness) -> str:
    if fresh.last_published_origin is None:
        return _Html('<span class="warn">never published</span>')
    if not fresh.late_by:
        return _Html('<span class="good">on time</span>')
    return _Html(f'<span class="bad">late by {_cell(fresh.late_by)}</span>')


def _revision(revision: int | None, *, shown: bool) -> str | None:
    return None if revision is None else str(revision) if shown else f"{revision} (withdrawn)"


def _state(state: RunState | Any) -> str:
    return _Html(f'<span class="{TONES.get(state, "")}">{escape(str(state))}</span>')


def _counts(attempt: StepAttempt) -> str:
    return ", ".join(f"{name} {_cell(value)}" for name, value in attempt.counts.items())


def _error(attempt: StepAttempt) -> str | None:
    return f"{attempt.error_class}: {attempt.error}" if attempt.error_class else None


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    if not rows:
        return "<p>None.</p>"
    top = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads) if any(heads) else ""
    body = "".join("<tr>" + "".join(map(_td, row)) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _td(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    text = value if isinstance(value, _Html) else escape(_cell(value))
    kind = "n" if number else "s" if len(text) <= SHORT or isinstance(value, _Html) else ""  # dates stay in one line
    return f"<td{f' class={kind}' if kind else ''}>{text}</td>"


def _cell(value: Any) -> str:
    """One value as text; nothing is a dash."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, timedelta):
        hours, seconds = divmod(round(value.total_seconds()), 3600)
        return f"{hours} h {seconds // 60} min" if hours else f"{seconds // 60} min {seconds % 60} s"
    return value.isoformat() if isinstance(value, date) else str(value)


def _document(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>\n"
    )

"""Commands that read the run record: runs, show, decisions, quarantine list."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from nightcast.cli.text import cell, short, shortened, table
from nightcast.domain.accuracy import ALL
from nightcast.domain.decision import DecisionKind
from nightcast.domain.night import RunKind, RunState
from nightcast.domain.verdict import CheckState, check_runbook
from nightcast.errors import NotFound
from nightcast.settings import Settings
from nightcast.store import accuracy, connect, fence, intake, layout, overview, publication, removals, scores
from nightcast.store import checks as check_store
from nightcast.store import decisions as ledger
from nightcast.store import quarantine as held
from nightcast.store import runs as run_store

DAYS = 20  # that are listed
GOOD = frozenset({RunState.PUBLISHED, RunState.UNCHANGED, RunState.DONE, RunState.OPEN})
NAMED = 15  # nights that readers do not have; more are counted


def runs(settings: Settings, pipeline: str | None, limit: int, *, all_kinds: bool) -> None:
    """Print the newest runs."""
    with connect.transaction(settings.database_url) as tx:
        found = run_store.recent(tx, pipeline, None if all_kinds else RunKind.NIGHT, limit)
        lacking = overview.unpublished(tx, pipeline)
    headers = ["run", "pipeline", "origin", "kind", "state", "pulled", "accepted", "quarantined", "duplicates"]
    rows = [
        [str(r.run_id), r.pipeline, r.origin, r.kind, r.state, r.pulled, r.accepted, r.quarantined, r.duplicates]
        for r in found
    ]
    for row, r in zip(rows, found, strict=True):
        row += [r.predictions, r.model_version and f"v{r.model_version}", r.ended_at]
    print(table([*headers, "predictions", "model", "ended (UTC)"], rows))
    if lacking:
        print(f"\n{_lacking(lacking)}")


def _lacking(found: Sequence[overview.Unpublished]) -> str:
    """The nights that readers do not have, the newest of them named."""
    rows = [
        [n.pipeline, n.origin, n.state or "never run", n.run and str(n.run), shortened(n.reason or "-", 100)]
        for n in found[:NAMED]
    ]
    more = f"\n… and {len(found) - NAMED} more in forecast.unpublished" if len(found) > NAMED else ""
    return (
        f"due, and not published: {len(found)} nights\n"
        + table(["pipeline", "origin", "state", "run", "because"], rows)
        + more
    )


def show(settings: Settings, run_id: int) -> None:
    """Print one run: the verdict first, then what it rests on."""
    with connect.transaction(settings.database_url) as tx:
        run = run_store.get(tx, run_id)
        shown = publication.current(tx, run.pipeline, run.origin)
        last = publication.before(tx, run.pipeline, run.origin)
        revisions = publication.revisions(tx, run.pipeline, run.origin)
        results = check_store.of_run(tx, run_id)
        reasons = check_store.reasons(tx, run_id)
        attempts = fence.attempts(tx, run_id)
        taken = intake.of_run(tx, run_id)
        drift = scores.of_run(tx, run_id) if run.kind is not RunKind.IMPORT else []  # an import scores many nights
        removed = removals.of_run(tx, run_id)
        errors = accuracy.summary(tx, run.pipeline, run_id, run.origin, nights=5)
        decided = ledger.of_run(tx, run_id)
    print(_headline(run, decided))
    print(_readers(run, shown, last))
    for each in removed:
        since = f"{each.removed_at:%Y-%m-%d %H:%M} UTC"
        print(f"Not whole any longer: since {since} something of it is {each.kind}: {each.why}")
    if run.kind is RunKind.NIGHT and any(r.withdrawn_at for r in revisions):
        print(f"\n{_revisions(revisions)}")
    if decided:
        print(f"\n{_decisions(decided)}")
    print(f"\n{_pins(run)}")
    print(f"\n{_checks(results)}")
    if reasons:
        print("\nset aside: " + ", ".join(f"{name} {count:,}" for name, count in sorted(reasons.items())))
    restated = [t.event_day.isoformat() for t in taken if t.restated]
    if restated:
        print(f"restated past days: {', '.join(restated)}")
    if drift:
        print(f"\n{_drift(drift)}")
    if errors:
        print(f"\n{_accuracy(run, errors)}")
    print(f"\n{_timings(attempts)}")


def decisions(settings: Settings, pipeline: str, limit: int) -> None:
    """Print what was decided about a pipeline, newest first."""
    with connect.transaction(settings.database_url) as tx:
        _known(tx, pipeline)
        found = ledger.of_pipeline(tx, pipeline, limit)
    print(_decisions(found))


def quarantine(settings: Settings, wanted: held.Wanted, limit: int) -> None:
    """Print how many rows are set aside, by check and by day, and the first `limit` of them."""
    with connect.transaction(settings.database_url) as tx:
        _known(tx, wanted.pipeline)
        checks, days = held.summary(tx, wanted), held.days(tx, wanted)
        some = held.held(tx, wanted, limit) if limit else []
    rows, handled = sum(d.rows for d in days), sum(d.discarded for d in days)
    print(f"{wanted.pipeline}: {rows:,} rows of {len(days)} days are set aside, {handled:,} of them discarded")
    if checks:
        told = [[c.check_id, c.rows, c.discarded, c.days, c.first_day, c.last_day] for c in checks]
        print("\n" + table(["check", "rows", "discarded", "days", "first", "last"], told))
        told = [[d.event_day, d.day_state, str(d.run_id), d.rows, d.discarded] for d in days[:DAYS]]
        print("\n" + table(["day", "state", "run", "rows", "discarded"], told))
    if len(days) > DAYS:
        print(f"… and {len(days) - DAYS} earlier days")
    if some:
        told = [[r.event_day, str(r.position), ", ".join(r.reasons), json.dumps(dict(r.row))] for r in some]
        print("\n" + table(["day", "position", "failed", "row"], told))


def _known(tx: connect.Connection, pipeline: str) -> None:
    if pipeline not in {registered["name"] for registered in layout.registered(tx)}:
        raise NotFound(f"there is no pipeline {pipeline!r} in the database; run `nightcast db plan`")


def _decisions(found: Sequence[ledger.Decision]) -> str:
    headers = ["decision", "kind", "run", "check", "days", "by", "at (UTC)", "reason"]
    rows = [
        [str(d.decision_id), d.kind, d.run_id and str(d.run_id), d.check_id, _days(d), d.who, d.at, _because(d)]
        for d in found
    ]
    return table(headers, rows)


def _days(decision: ledger.Decision) -> str | None:
    first, last = decision.first_day, decision.last_day
    if first is None:
        return None
    return f"from {first}" if last is None else f"{first}" if first == last else f"{first} to {last}"


def _because(decision: ledger.Decision) -> str:
    undone = f"undone by {decision.undone_by}: " if decision.undone_by else ""
    undoes = f"undoes {decision.undoes}: " if decision.undoes else ""
    return shortened(undone + undoes + decision.reason, 100)


def _headline(run: run_store.Run, decided: Sequence[ledger.Decision]) -> str:
    said = f"{run.pipeline} {run.origin} (run {run.run_id}, {run.kind}, attempt {run.attempt}): {run.state.upper()}"
    withdrawn = [f", WITHDRAWN {d.said}" for d in decided if d.kind is DecisionKind.WITHDRAW and not d.undone_by]
    return said + "".join(withdrawn) + (f": {run.reason}" if run.reason else "")


def _readers(run: run_store.Run, shown: publication.Publication | None, last: publication.Publication | None) -> str:
    if run.kind is not RunKind.NIGHT:
        return "Readers: not concerned, this run publishes nothing."
    if shown:
        mine = "this run" if shown.run_id == run.run_id else f"run {shown.run_id}"
        since = f"{shown.published_at:%Y-%m-%d %H:%M} UTC"
        return f"Readers see {mine} for {run.origin}: revision {shown.revision}, since {since}."
    if last:
        return (
            f"Readers see the last published night: origin {last.origin}, revision {last.revision} (run {last.run_id})."
        )
    return "Readers see nothing yet: no night is published."


def _revisions(found: Sequence[publication.Publication]) -> str:
    """Every revision of the night, newest first, and why it was withdrawn: what the next one has otherwise."""
    headers = ["revision", "run", "published (UTC)", "withdrawn (UTC)", "because"]
    rows = [[r.revision, str(r.run_id), r.published_at, r.withdrawn_at, r.reason] for r in reversed(found)]
    return table(headers, rows)


def _pins(run: run_store.Run) -> str:
    dirty = " (with uncommitted changes)" if run.code_dirty else ""
    model = "-" if run.model_version is None else f"v{run.model_version}"
    pairs = {
        "mode": run.mode,
        "window": f"{cell(run.window_start)} to {cell(run.window_end)}",
        "model": model + (" (trained past this origin: look-ahead)" if run.look_ahead else ""),
        "code": f"{short(run.code_commit) or '-'}{dirty}, engine {short(run.environment.get('code')) or '-'}",
        "spec": short(run.spec_digest) or "-",
        "snapshot": short(run.manifest_digest) or "-",
        "inputs": short(run.input_digest) or "-",
        "rows": short(run.row_digest) or "-",
        "counts": f"pulled {cell(run.pulled)} = accepted {cell(run.accepted)} + quarantined {cell(run.quarantined)}"
        f" + duplicates {cell(run.duplicates)}; expected {cell(run.expected)} = predictions {cell(run.predictions)}",
        "ran on": ", ".join(f"{k} {v}" for k, v in run.environment.items() if k != "code"),
    }
    return "\n".join(f"{name + ':':10} {value}" for name, value in pairs.items())


def _checks(results: Sequence[check_store.StoredCheck]) -> str:
    """Everything that did not pass, worst first; what passed as a number."""
    passed = sum(r.state is CheckState.PASS for r in results)
    told = [r for r in results if r.state is not CheckState.PASS]
    rows = [[r.state, r.check_id, r.scope, shortened(r.message, 150)] for r in told[:25]]
    more = f"\n… and {len(told) - 25} more" if len(told) > 25 else ""
    pages = dict.fromkeys(f"docs/runbooks/{check_runbook(r.check_id)}" for r in told)
    body = (
        table(["state", "check", "scope", "message"], rows) + more + f"\nrunbooks: {', '.join(pages)}" if told else ""
    )
    return f"checks: {passed} of {len(results)} passed\n{body}".rstrip()


def _drift(found: Sequence[scores.DriftScore]) -> str:
    """What moved most against its own past, and what could not be measured."""
    told = [
        [s.what, s.reference, s.statistic, s.value, s.ranked, shortened(s.moved or "-", 120)]
        for s in scores.most_unusual(found, 5)
    ]
    headers = ["what", "against", "statistic", "value", "rank", "what moved"]
    body = table(headers, told) if told else "nothing that can be ranked moved"
    gaps = [
        f"without a value: {shortened(', '.join(columns), 100)}: {reason}"
        for reason, columns in scores.without_value(found).items()
    ]
    title = f"drift: {len(found)} scores, the most unusual first (rank: share of nights at least as far, with this one)"
    return "\n".join([title, body, *gaps])


def _accuracy(run: run_store.Run, errors: Sequence[accuracy.Summary]) -> str:
    """How the forecast did as far as its days have come, by days ahead; and the nights before over all of theirs."""
    headers = ["accuracy", "days ahead", "come", "maturity", "WAPE day", "naive", "value added", "WAPE horizon"]
    rows = [
        ["this night" if s.run_id == run.run_id else s.origin, s.horizon_bucket, s.come, s.maturity, *s.shares]
        for s in errors
        if s.come or s.horizon_bucket == ALL  # churn alone is told once
    ]
    return table([*headers, "bias", "coverage", "churn"], rows)


def _timings(attempts: Iterable[fence.StepAttempt]) -> str:
    headers = ["step", "shard", "attempt", "state", "started (UTC)", "seconds", "cpu", "counts"]
    rows = [
        [a.step, str(a.shard), str(a.attempt), a.state, a.started_at, a.seconds, a.cpu_seconds, _counted(a)]
        for a in attempts
    ]
    return table(headers, rows)


def _counted(attempt: fence.StepAttempt) -> str:
    if attempt.error:
        return f"{attempt.error_class}: {attempt.error[:100]}"
    return ", ".join(f"{k} {cell(v)}" for k, v in attempt.counts.items() if isinstance(v, int | float))

"""The whole of a night's bulk work, from the sums of what was measured: beside what people write, and the floor."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import extract, predict, publish
from benchmarks.generated import FIRST, fill
from benchmarks.harness import Cost, Line, Progress, in_words, measure, side_by_side
from benchmarks.place import Place, install


def lines(place: Place, sizes: list[int], runs: int, progress: Progress) -> list[Line]:
    """So many rows in and as many predictions out, at the smallest size; and `validate` by itself."""
    rows = sizes[0]
    model = predict.model_of(str(place.folder))
    url, made = place.database(), install(place)
    progress(f"whole: {in_words(rows)} rows in, {in_words(rows)} predictions out, {runs} × each way")
    fill(url, days=extract.DAYS, per_day=rows // extract.DAYS, keys=max(rows // 100, 10))
    lake, manifest = predict.snapshot_of(place, rows)
    found = side_by_side(
        runs,
        extract=lambda: measure(extract.ours, url=url, folder=str(place.folder)),
        predict=lambda: measure(predict.ours, lake=lake, manifest=manifest, model=model),
        publish=lambda: measure(publish.ours, environment=dict(made.environment), rows=rows),
        read_sql=lambda: measure(extract.read_sql, url=url),
        to_sql=lambda: measure(publish.to_sql, url=place.database(), rows=rows),
        copy_out=lambda: measure(extract.copy_out, url=url),
        plain=lambda: measure(predict.plain, rows=rows, model=model),
        copy_in=lambda: measure(publish.copy_in, url=place.database(), rows=rows),
        validate=lambda: measure(validate, url=url, folder=str(place.folder)),
    )
    place.drop(url)
    return [*_compared(rows, found, runs), *_judged(rows, found, runs)]


def _compared(rows: int, found: dict[str, Cost], runs: int) -> list[Line]:
    size, made = in_words(rows), []
    others = {
        "read_sql + predict + to_sql": (("read_sql", "plain", "to_sql"), None),
        "the floor: COPY + predict + COPY": (("copy_out", "plain", "copy_in"), 1.5),
    }
    for against, (parts, goal) in others.items():
        for what, unit in (("CPU", "cpu"), ("time", "wall")):
            mine, theirs = (
                sum(getattr(found[name], unit) for name in names)
                for names in (("extract", "predict", "publish"), parts)
            )
            made.append(Line(subject="whole", name=f"extract + predict + publish {size}: {what}",
                             unit="CPU-s" if unit == "cpu" else "s", ours=mine, other=theirs, against=against,
                             goal=goal if unit == "cpu" else None, runs=runs))  # fmt: skip
    return made


def _judged(rows: int, found: dict[str, Cost], runs: int) -> list[Line]:
    note = (
        "validate: Great Expectations with the rules of a real shop, duplicates, profiles by column and slice, panel; "
        "without the 3 CPU-s of importing Great Expectations"
    )
    size, cost = in_words(rows), found["validate"]
    return [
        Line(subject="whole", name=f"validate {size} rows: CPU", unit="CPU-s", ours=cost.cpu,
             other=found["extract"].cpu, against="our extract of the same rows", runs=runs, note=note),
        Line(subject="whole", name=f"validate {size} rows: memory", unit="MiB", ours=cost.memory,
             other=found["extract"].memory, against="our extract of the same rows", runs=runs, note=note),
    ]  # fmt: skip


def validate(url: str, folder: str) -> Iterator[None]:
    """Screen each day of a window and take it in, as the step `validate` does before it commits."""
    import tempfile
    from datetime import timedelta

    import great_expectations  # noqa: F401 -- what importing it costs, 3 CPU-s, does not depend on the rows

    from nightcast import checks, source
    from nightcast.domain.baseline import Baseline
    from nightcast.lake import Lake, write_days
    from nightcast.steps import taking_in
    from nightcast.steps.screening import screen, signals

    made = predict.folder_of()
    lake, (start, end) = Lake(tempfile.mkdtemp(dir=folder)), extract.window()
    values = {"window_start": start, "window_end": end}
    stored = write_days(lake, source.read(url, extract.SQL, values, made.pipeline.source.columns), made.pipeline.source)
    expectations = checks.load(made.expectations)
    opened = {FIRST + timedelta(days=n): True for n in range(extract.DAYS)}
    yield
    accepted = 0
    for day, kept in stored.items():
        about = taking_in.Extracted(
            day=day, content=kept.content, raw_object=kept.object, rows=kept.rows, restated=False
        )
        found = screen({day: lake.get_table(kept.object)}, made, expectations, opened, day.isoformat())
        if not found.verdict.passed:
            raise RuntimeError(f"the generated rows do not pass: {found.verdict.summary}")
        signals(found.days[0], expectations, Baseline(rows=(kept.rows,) * 4), day.isoformat())
        taken = taking_in.take_in(found.days, {day: about}, made, "rules", lake)
        accepted += sum(t.accepted for t in taken)
    return accepted

"""What a night costs as its history, its articles and its shards grow: the product's own steps, on generated rows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks import predict
from benchmarks.generated import FIRST, fill
from benchmarks.harness import FLAT, Cost, Line, Progress, in_words, measure, median
from benchmarks.place import PIPELINE, Installation, Place, install
from nightcast.steps.rooms import Clock

MONTH = 30  # days
HISTORIES = (3, 24)  # months
ARTICLES = (400, 4_000, 40_000)
NIGHTS = 3  # measured, one after the other
SHARD_NIGHTS = 2  # behind them: one night with one shard, one with two
SALES = 0.5  # lines per article and day
SHARDS_ARE_FOR = "one shard scores on all cores of the machine already; shards are for more machines than one"


@dataclass(frozen=True)
class World:
    """An installation with its history imported and a model that is live; `nights` are still to be made."""

    made: Installation
    source: str
    nights: list[date]


def lines(place: Place, sizes: list[int], runs: int, progress: Progress) -> list[Line]:
    """Sizes below 100,000 rows, as tests ask for, make everything ten to a hundred times smaller."""
    small = sizes[0] < 100_000
    histories = (2, 4) if small else HISTORIES
    articles = (40, 80) if small else ARTICLES
    return [
        *_histories(place, histories, articles[0], 1 if small else runs, progress),
        *_articles(place, articles, histories[0], 1 if small else runs, progress),
    ]


def _histories(place: Place, months: tuple[int, ...], articles: int, nights: int, progress: Progress) -> list[Line]:
    found = {}
    for n in (months[0], months[-1]):
        world = _world(place, n, articles, progress)
        found[n] = _nights(world, nights)
        place.drop(world.source)
    short, long = (_split(found[n]) for n in (months[0], months[-1]))
    against = f"{months[0]} months"
    named = {
        "predict": ("predict: reading the panel, features, scores", None),
        "rest": ("all other steps", FLAT),
    }
    return [
        Line(subject="growth", name=f"{articles} articles after {months[-1]} months, {name}: CPU", unit="CPU-s",
             ours=long[part], other=short[part], against=against, goal=goal, runs=nights)
        for part, (name, goal) in named.items()
    ]  # fmt: skip


def _articles(place: Place, articles: tuple[int, ...], months: int, nights: int, progress: Progress) -> list[Line]:
    found, made = {}, []
    for n in articles:
        world = _world(place, months, n, progress)
        found[n] = _nights(world, nights)
        if n == articles[-1]:
            progress(f"growth: {in_words(n)} articles in one shard and in two")
            made = _shards(world, n)
        place.drop(world.source)
    for before, n in pairwise(articles):
        made += [
            Line(subject="growth", name=f"a night of {in_words(n)} articles: {what}", unit=unit,
                 ours=getattr(found[n], value), other=getattr(found[before], value),
                 against=f"{in_words(before)} articles", runs=nights)
            for what, unit, value in (("CPU", "CPU-s", "cpu"), ("memory", "MiB", "memory"))
        ]  # fmt: skip
    said = ", ".join(f"{name} {cpu:.2f}" for name, cpu in found[articles[-1]].answer.items())
    last = made[-1]
    made[-1] = Line(subject="growth", name=last.name, unit=last.unit, ours=last.ours, other=last.other,
                    against=last.against, runs=nights, note=f"CPU-s of its steps: {said}")  # fmt: skip
    return made


def _shards(world: World, articles: int) -> list[Line]:
    """The same work by one process and by two at once, on the clock."""
    walls = {}
    for count, origin in zip((1, 2), world.nights[NIGHTS:], strict=True):
        spec = Path(world.made.environment["NIGHTCAST_PIPELINES"]) / PIPELINE / "pipeline.yaml"
        spec.write_text(spec.read_text().replace("shards: 1", f"shards: {count}"))
        environment = dict(world.made.environment)
        night = measure(up_to_predict, environment=environment, origin=origin.isoformat()).answer
        begun = time.perf_counter()
        with ThreadPoolExecutor(count) as pool:
            costs = list(pool.map(lambda n, e=environment, a=night: measure(shard, environment=e, night=a, number=n),
                                  range(count)))  # fmt: skip
        walls[count] = max(cost.wall for cost in costs), time.perf_counter() - begun
    return [
        Line(subject="growth", name=f"predict of {in_words(articles)} articles in two shards: time", unit="s",
             ours=walls[2][0], other=walls[1][0], against="one shard", note=SHARDS_ARE_FOR),
    ]  # fmt: skip


def _world(place: Place, months: int, articles: int, progress: Progress) -> World:
    progress(f"growth: importing {months} months of {in_words(articles)} articles")
    days, url = months * MONTH, place.database()
    fill(url, days=days + NIGHTS + SHARD_NIGHTS, per_day=max(int(articles * SALES), 8), keys=articles)
    made = install(place, url)
    last = FIRST + timedelta(days=days - 1)
    model = predict.model_of(str(place.folder))
    measure(imported, environment=dict(made.environment), last=last.isoformat(), model=model)
    return World(made, url, [last + timedelta(days=n + 1) for n in range(NIGHTS + SHARD_NIGHTS)])


def _nights(world: World, nights: int) -> Cost:
    """The medians of some nights, with the CPU seconds of the steps of the last one."""
    environment = dict(world.made.environment)
    return median([measure(night, environment=environment, origin=o.isoformat()) for o in world.nights[:nights]])


def _split(cost: Cost) -> dict[str, float]:
    scored: float = cost.answer["predict"]
    return {"predict": scored, "rest": sum(cost.answer.values()) - scored}


def imported(
    environment: Mapping[str, str], last: str, model: str, first: str = FIRST.isoformat(), pipeline: str = PIPELINE
) -> Iterator[None]:
    """The history taken in, and the model live from then on."""
    from nightcast.steps import import_history
    from nightcast.store import models

    made, through = Installation(environment), date.fromisoformat(last)
    yield
    import_history.run({"pipeline": pipeline, "first": first, "last": last}, made.rooms, _clock(through))
    digest = made.rooms.lake.put(Path(model).read_bytes())
    said = {"who": "benchmark", "why": "trained before"}
    with made.rooms.transaction() as tx:
        models.register(tx, pipeline, bundle_digest=digest, trained_through=through, training_digest=digest,
                        spec_digest=digest, **said)  # fmt: skip
        models.promote(tx, pipeline, 1, effective_from=date.fromisoformat(first), **said)


def night(environment: Mapping[str, str], origin: str) -> Iterator[None]:
    """A whole night in one process; CPU seconds by step."""
    import great_expectations  # noqa: F401 -- each night pays for it alike

    from nightcast import models
    from nightcast.steps import sequence

    made, day = Installation(environment), date.fromisoformat(origin)
    models.open_bundle  # noqa: B018 -- imports the library
    marks: list[tuple[str, float]] = []
    yield
    asked = {"pipeline": PIPELINE, "partition_key": origin}
    sequence.run_night(asked, made.rooms, _clock(day), lambda name: marks.append((name, time.process_time())))
    ends = [cpu for _, cpu in marks[1:]] + [time.process_time()]
    return {name: round(end - cpu, 3) for (name, cpu), end in zip(marks, ends, strict=True)}


def up_to_predict(environment: Mapping[str, str], origin: str) -> Iterator[None]:
    """A night whose rows are judged; what its next task is handed."""
    from nightcast.steps import extract, open_run, validate

    rooms, clock = Installation(environment).rooms, _clock(date.fromisoformat(origin))
    yield
    opened = open_run.run({"pipeline": PIPELINE, "partition_key": origin}, rooms, clock)
    for step in (extract, validate):
        step.run(opened, rooms, clock)
    return opened


def shard(environment: Mapping[str, str], night: Mapping[str, Any], number: int) -> Iterator[None]:
    """One shard of a night's predict."""
    from nightcast.steps import predict

    rooms, clock = Installation(environment).rooms, _clock(date.fromisoformat(night["origin"]))
    yield
    return predict.run(night, rooms, clock, number)["rows"]


def _clock(origin: date) -> Clock:
    at = datetime(origin.year, origin.month, origin.day, 3, tzinfo=UTC) + timedelta(days=1)
    return lambda: at

"""An installation whose rows name people: couriers (the entities), customers, their phones, signatures and more."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from nightcast.local import postgres
from steps.other_worlds import NEXT, NIGHTS, TRAINED, installed
from steps.world import Installation, scheduled

ROUNDS = "parcel_rounds"
FIRST = TRAINED - timedelta(days=84)
COURIER, CUSTOMER = "Ada Plantedcourier", "Zoë O'Plantedcustomer"  # who asks to be forgotten
PHONE, SIGNATURE, REMARK = "+49 30 555 0173", "Q. Plantedsignature", "asked for Plantedundeclared"
COLUMNS = ("courier", "delivered_at", "parcels", "vehicle", "customer", "phone", "signature", "remark")
QUARANTINED = NIGHTS[0]  # a day with a row of theirs that is set aside


@contextmanager
def delivering(server: postgres.Server, place: Path) -> Iterator[Installation]:
    """After two nights; COURIER delivered to CUSTOMER in all of them."""
    files = place / "files"
    write_rounds(files)
    with installed(server, place, ROUNDS, {"rounds": f"file://{files}"}, FIRST) as made:
        for origin in NIGHTS[:2]:
            made.night(origin, **scheduled(origin))
        yield made


def write_rounds(files: Path, without: str = "") -> None:
    """A file per day, the same ones at every call; without the rows that name `without`, as a source would forget."""
    (files / "rounds").mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    for n in range((NEXT - FIRST).days + 1):
        day = FIRST + timedelta(days=n)
        rows = [row for row in _rows(day, random) if without not in row or not without]
        with (files / f"rounds/{day}.csv").open("w", newline="", encoding="utf-8") as sink:
            csv.writer(sink, quoting=csv.QUOTE_NONNUMERIC).writerows([COLUMNS, *rows])


def _rows(day: date, random: np.random.Generator) -> Iterator[tuple[object, ...]]:
    for number, courier in enumerate([COURIER, *(f"courier {n}" for n in range(1, 12))]):
        for stop in range(3):
            parcels = int(random.poisson(4 + number))
            yield (
                courier, f"{day} {9 + stop:02}:00:00", parcels, f"van {number % 3}", f"customer {number}-{stop}",
                f"+44 20 555 {number:02}{stop:02}", f"signed {number}", "",
            )  # fmt: skip
    yield COURIER, f"{day} 15:00:00", 2, "van 0", CUSTOMER, PHONE, SIGNATURE, REMARK
    if day == QUARANTINED:
        yield COURIER, f"{day} 16:00:00", -5, "van 0", CUSTOMER, PHONE, SIGNATURE, REMARK

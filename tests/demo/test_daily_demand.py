"""The SQL of the pipeline, against what an independent pass over the file finds."""

from __future__ import annotations

import csv
import lzma
import re
from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from demo.retail_source import EXCERPT, FOLDER, Retail, load, make_roles_and_database, wall_time
from nightcast import source as source_room
from nightcast import spec
from nightcast.demo.source import COLUMNS as FILE_COLUMNS
from nightcast.local import postgres

pytestmark = pytest.mark.postgres

PIPELINE = spec.load_folder(FOLDER)
COLUMNS = PIPELINE.pipeline.source.columns
ALL = (date(2009, 12, 1), date(2011, 12, 10))


def lines(retail: Retail, start: date, end: date) -> list[dict[str, Any]]:
    """What a night reads: the declared columns with the declared types."""
    return read(retail.reader, start, end)


def read(url: str, start: date, end: date) -> list[dict[str, Any]]:
    window = {"window_start": start, "window_end": end}
    batches = source_room.read(url, PIPELINE.extract_sql, window, COLUMNS)
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.fixture(scope="module")
def extracted(retail: Retail) -> list[dict[str, Any]]:
    return lines(retail, *ALL)


def first_kind(code: str, invoice: str, price: Decimal, quantity: int) -> str:
    if not re.fullmatch(r"\d{5}[A-Z]{0,2}", code):
        return "other"
    if invoice.startswith("C"):
        return "cancellation"
    return "sale" if price > 0 and quantity > 0 else "write_off"


def independent_kinds() -> dict[tuple[str, int], int]:
    """Lines per (kind, delivery), by a plain pass over the file."""
    counts: dict[tuple[str, int], int] = defaultdict(int)
    sales: dict[tuple[Any, ...], list[datetime]] = defaultdict(list)
    taken_back: dict[tuple[Any, ...], list[datetime]] = defaultdict(list)
    delivery, latest = 1, wall_time("1/1/2009 0:00")
    with lzma.open(EXCERPT, "rt", newline="") as file:
        for row in csv.DictReader(file):
            at = wall_time(row["InvoiceDate"])
            delivery, latest = (2 if latest - at > timedelta(days=1) else delivery), at
            code, quantity = row["StockCode"].strip().upper(), int(row["Quantity"])
            kind = first_kind(code, row["Invoice"], Decimal(row["Price"]), quantity)
            counts[kind, delivery] += 1
            if row["Customer ID"] and kind in ("sale", "cancellation"):
                pairs = sales if kind == "sale" else taken_back
                pairs[row["Customer ID"], code, at.date(), abs(quantity), delivery].append(at)
    for key, sold in sales.items():
        void = sum(s <= c for s, c in zip(sorted(sold), sorted(taken_back[key]), strict=False))
        counts["void", key[-1]] += void
        counts["sale", key[-1]] -= void
    return counts


def test_kinds_are_those_of_an_independent_pass(extracted: list[dict[str, Any]]) -> None:
    found: dict[tuple[str, int], int] = defaultdict(int)
    for line in extracted:
        found[line["kind"], line["delivery"]] += 1
    assert found == independent_kinds()


def test_known_totals_without_second_copies(extracted: list[dict[str, Any]]) -> None:
    again = {line["invoice"] for line in extracted if line["delivery"] == 2}
    kept = [line for line in extracted if line["delivery"] == 2 or line["invoice"] not in again]
    assert (len(extracted), len(kept)) == (70_942, 69_394)
    units, rows = defaultdict(int), defaultdict(int)
    for line in kept:
        units[line["kind"]] += line["quantity"]
        rows[line["kind"]] += 1
    assert rows == {"sale": 66_466, "void": 72, "cancellation": 923, "write_off": 402, "other": 1531}
    assert (units["sale"], units["void"]) == (688_976, 157_776)


def test_the_two_great_keying_errors_are_void(extracted: list[dict[str, Any]]) -> None:
    huge = {(line["sku"], line["quantity"], line["kind"]) for line in extracted if abs(line["quantity"]) > 20_000}
    assert huge == {
        ("23843", 80_995, "void"),
        ("23843", -80_995, "cancellation"),
        ("23166", 74_215, "void"),
        ("23166", -74_215, "cancellation"),
    }


def test_day_by_day_is_the_same_as_all_at_once(retail: Retail, extracted: list[dict[str, Any]]) -> None:
    order = [name for name in COLUMNS if name != "customer"]
    days = [date(2010, 12, 6), date(2011, 1, 18), date(2011, 12, 9)]
    for day in days:
        alone = lines(retail, day, day + timedelta(days=1))
        together = [line for line in extracted if line["sold_at"].date() == day]
        assert sorted(alone, key=lambda r: [r[n] for n in order]) == sorted(
            together, key=lambda r: [r[n] for n in order]
        )
        assert alone


def test_window_is_half_open(retail: Retail) -> None:
    found = {line["sold_at"].date() for line in lines(retail, date(2011, 11, 1), date(2011, 11, 4))}
    assert found == {date(2011, 11, 1), date(2011, 11, 2), date(2011, 11, 3)}


def test_flags_and_amounts(extracted: list[dict[str, Any]]) -> None:
    for line in extracted:
        assert line["amount"] == line["quantity"] * line["price"]
        assert line["cancels"] == line["invoice"].startswith("C")
        assert line["free"] == (line["price"] == 0 and line["quantity"] > 0)
        assert line["sku"] == line["sku"].strip().upper()
        assert all(line[name] is not None for name, column in COLUMNS.items() if not column.nullable)
    assert any(line["price"] == Decimal("0.001") for line in extracted)


# customer, code, pieces, "C" for a cancellation, minute -> the kind
CASES = {
    "cancelled later": ([("1", "10001", 5, "", 0), ("1", "10001", -5, "C", 9)], ["void", "cancellation"]),
    "cancelled in the same minute": ([("1", "10001", 5, "", 3), ("1", "10001", -5, "C", 3)], ["void", "cancellation"]),
    "cancelled before": ([("1", "10001", 5, "", 9), ("1", "10001", -5, "C", 0)], ["sale", "cancellation"]),
    "other quantity": ([("1", "10001", 5, "", 0), ("1", "10001", -4, "C", 9)], ["sale", "cancellation"]),
    "other customer": ([("1", "10001", 5, "", 0), ("2", "10001", -5, "C", 9)], ["sale", "cancellation"]),
    "nobody knows whose": ([("", "10001", 5, "", 0), ("", "10001", -5, "C", 9)], ["sale", "cancellation"]),
    "other spelling": ([("1", "10001a", 5, "", 0), ("1", " 10001A", -5, "C", 9)], ["void", "cancellation"]),
    "one of two": (
        [("1", "10001", 5, "", 0), ("1", "10001", 5, "", 1), ("1", "10001", -5, "C", 9)],
        ["void", "sale", "cancellation"],
    ),
    "two of two": (
        [("1", "10001", 5, "", 0), ("1", "10001", 5, "", 1), ("1", "10001", -5, "C", 9), ("1", "10001", -5, "C", 9)],
        ["void", "void", "cancellation", "cancellation"],
    ),
    "next day": ([("1", "10001", 5, "", 0), ("1", "10001", -5, "C", 24 * 60)], ["sale", "cancellation"]),
    "postage": ([("1", "POST", 5, "", 0), ("1", "POST", -5, "C", 9)], ["other", "other"]),
    "three letters": ([("1", "10001ABC", 5, "", 0)], ["other"]),
    "no C": ([("1", "10001", -5, "", 0)], ["write_off"]),
}


@pytest.mark.parametrize("case", CASES)
def test_kinds_of_small_cases(server: postgres.Server, tmp_path: Path, case: str) -> None:
    sold, expected = CASES[case]
    path, begin = tmp_path / "f.xz", wall_time("5/3/2010 12:00")
    text = ",".join(FILE_COLUMNS) + "\n"
    for number, (customer, code, pieces, letter, minute) in enumerate(sold):
        at = begin + timedelta(minutes=minute)
        text += (
            f"{letter}{500000 + number},{code},,{pieces},{at.month}/{at.day}/{at.year} {at:%H:%M},1.5,{customer},UK\n"
        )
    path.write_bytes(lzma.compress(text.encode()))
    with make_roles_and_database(server) as (owner, reader):
        load(owner, reader, path)
        found = {line["invoice"]: line["kind"] for line in read(reader, *ALL)}
    assert [found[f"{letter}{500000 + n}"] for n, (_, _, _, letter, _) in enumerate(sold)] == expected


def test_calendar_covers_the_window_and_two_months_more(retail: Retail) -> None:
    window = {"window_start": ALL[0], "window_end": date(2012, 2, 8)}
    rows = source_room.query(retail.reader, str(PIPELINE.calendar_sql), window)
    length = (window["window_end"] - window["window_start"]).days
    assert sorted(row["day"] for row in rows) == [ALL[0] + timedelta(days=n) for n in range(length)]
    assert set(rows[0]) == {"day", "open", *PIPELINE.pipeline.calendar.columns}

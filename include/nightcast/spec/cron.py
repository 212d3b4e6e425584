"""Cron expressions of five fields, checked without asking the scheduler."""

from __future__ import annotations

import re

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[
    tuple[str, int, int, list[str]], ...
] = (  # name, lowest, highest, names of the values from the lowest on
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of the month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?")


def wrong_cron(text: str) -> str | None:
    """What is wrong with a cron expression, or None. Lists, ranges, steps and English names are known."""
    parts = text.split()
    if len(parts) != len(_FIELDS):
        return f"found {text!r}; expected five fields: minute, hour, day of the month, month, day of the week"
    for part, (name, low, high, names) in zip(parts, _FIELDS, strict=True):
        if not all(_fits(piece, low, high, names) for piece in part.split(",")):
            return f"found {part!r} as the {name}; expected * or {low} to {high}, also as 1-5, 1,2 or */2"
    return None


def _fits(piece: str, low: int, high: int, names: list[str]) -> bool:
    match = _PART.fullmatch(piece.lower())
    if match is None or match["step"] == "0":
        return False
    ends = [_number(match[end], low, names) for end in ("first", "last") if match[end] is not None]
    return all(end is not None and low <= end <= high for end in ends) and ends == sorted(ends, key=lambda e: e or 0)


def _number(text: str, low: int, names: list[str]) -> int | None:
    if text in names:
        return low + names.index(text)
    return int(text) if text.isdecimal() else None

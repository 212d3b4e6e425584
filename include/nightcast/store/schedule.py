"""Which weekdays a cron expression fires on: all that `forecast.freshness` needs to know of it."""

from __future__ import annotations

import re

_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_PART = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>[1-7]))?")


def weekdays(cron: str) -> list[int] | None:
    """ISO weekdays (1 = Monday) on which `cron` fires; None where days of the month or of a calendar decide too."""
    fields = cron.lower().split()
    if len(fields) != 5 or fields[2] not in ("*", "?") or fields[3] != "*":
        return None
    found: set[int] = set()
    for part in fields[4].replace("?", "*").split(","):
        match = _PART.fullmatch(part)
        if not match:
            return None
        first, last = _range(match["first"], match["last"], stepped=bool(match["step"]))
        if first is None or last is None or last < first:
            return None
        found |= {day % 7 or 7 for day in range(first, last + 1, int(match["step"] or 1))}
    return sorted(found)


def _range(first: str, last: str | None, *, stepped: bool) -> tuple[int | None, int | None]:
    if first == "*":
        return 0, 6
    start = _day(first)
    return start, _day(last) if last else 6 if stepped else start


def _day(text: str) -> int | None:
    number = _DAYS.get(text, int(text) if text.isdigit() else None)
    return number if number is not None and number <= 7 else None

"""Plain text for terminals: aligned columns, short digests, durations."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Aligned columns; numbers to the right, everything else to the left."""
    if not rows:
        return "(none)"
    cells = [[cell(value) for value in row] for row in rows]
    widths = [max(len(h), *(len(row[i]) for row in cells)) for i, h in enumerate(headers)]
    right = [all(isinstance(row[i], (int, float)) or row[i] is None for row in rows) for i in range(len(headers))]
    lines = [_line(headers, widths, right), "  ".join("-" * w for w in widths)]
    return "\n".join([*lines, *(_line(row, widths, right) for row in cells)])


def cell(value: Any) -> str:
    """One value as text; nothing is a dash."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return value.isoformat()
    return " ".join(str(value).split())


def shortened(text: str, most: int) -> str:
    """The text in one line, cut where it is longer than `most`."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def short(digest: str | None) -> str | None:
    """The beginning of a digest, enough to tell two apart."""
    return digest and digest[:12]


def timed() -> Callable[[str], None]:
    """Tells progress in lines with the elapsed time, on standard error, so that results can be piped."""
    begun = time.monotonic()
    return lambda text: print(f"[{time.monotonic() - begun:5.1f} s] {text}", file=sys.stderr, flush=True)


def _line(values: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = [v.rjust(w) if r else v.ljust(w) for v, w, r in zip(values, widths, right, strict=True)]
    return "  ".join(padded).rstrip()

"""Parse every .sql file of the repository with PostgreSQL's own grammar; exit 1 where one does not parse.

Values that are bound are read as NULL. Fragments, and templates whose {parts} are composed at run time, are not
statements yet; the tests of the store run them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from pglast import parse_sql
from pglast.parser import ParseError

ROOT = Path(__file__).resolve().parents[1]
REPLACED = (
    (re.compile(r"VALUES %s"), "VALUES (NULL)"),
    (re.compile(r"%\(\w+\)s(?=::)|%\(\w+\)s|%s"), "NULL"),
    (re.compile(r"%%"), "%"),
    (re.compile(r"(?<![:\w]):(\w+)"), "NULL"),
)
TEMPLATE = re.compile(r"\{\w+\}")
STATEMENT = re.compile(
    r"\s*(--[^\n]*\n\s*)*(ALTER|COMMENT|CREATE|DELETE|DROP|GRANT|INSERT|REVOKE|SELECT|SET|UPDATE|WITH)\b"
)


def blocks(file: Path) -> list[tuple[int, str]]:
    """The statements of a file with the line that each begins on: named queries, or the file as a whole."""
    text = file.read_text(encoding="utf-8")
    if "-- name:" not in text:
        return [(1, text)]
    found, line = [], 1 + text.split("-- name:", 1)[0].count("\n")
    for block in text.split("-- name:")[1:]:
        found.append((line, block.partition("\n")[2]))
        line += block.count("\n")
    return found


def problem(statement: str) -> str | None:
    """What PostgreSQL's grammar says of a statement, if it refuses it."""
    for pattern, kind in REPLACED:
        statement = pattern.sub(kind, statement)
    try:
        parse_sql(statement)
    except ParseError as error:
        return str(error.args[0])
    return None


def main() -> int:
    files = sorted(f for part in ("include", "tests", "benchmarks", "docs") for f in (ROOT / part).rglob("*.sql"))
    every = [(file, line, text) for file in files for line, text in blocks(file)]
    whole = [(f, line, t) for f, line, t in every if STATEMENT.match(t) and not TEMPLATE.search(t)]
    wrong = [f"{f.relative_to(ROOT)}:{line}: {said}" for f, line, text in whole if (said := problem(text))]
    counted = f"{len(whole)} of {len(every)} blocks in {len(files)} SQL files parse; the others are templates"
    print("\n".join(wrong) if wrong else counted)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""Cut tests/data/retail_excerpt.csv.xz out of the demo's data file.

Usage: make-excerpt.py online_retail.csv.xz retail_excerpt.csv.xz

The rule, on the stock code in upper case without blanks at its ends (see tests/data/README.md):
keep all lines of a code that is named below, or whose hash falls into one of SHARES parts. Lines stay as they are and
in their order, on all days and in both of the file's sheets, so the days that are in it twice stay so.
"""

import csv
import hashlib
import lzma
import sys

SHARES, CHOSEN = 14, 8
NAMED = {
    "23166": "74,215 pieces sold and cancelled on 2011-01-18",
    "23843": "80,995 pieces sold and cancelled on 2011-12-09",
    "B": "bad debt, with negative prices",
    "M": "manual lines, one of which is a cancellation that adds",
    "TEST001": "a test article",
    "TEST002": "a test article",
    "PADS": "prices with three decimals",
}


def chosen(stock_code: str) -> bool:
    """Whether the lines of a code are part of the excerpt."""
    code = stock_code.strip().upper()
    part = int.from_bytes(hashlib.blake2b(code.encode(), digest_size=8).digest(), "big") % SHARES
    return code in NAMED or part == CHOSEN


def main() -> int:
    """Write the excerpt and say what is in it."""
    source, target = sys.argv[1:]
    with lzma.open(source, "rt", encoding="utf-8", newline="") as whole:
        header, *lines = whole  # no line of this file holds a line break within quotes
    kept = [line for line in lines if chosen(next(csv.reader([line]))[1])]
    with lzma.open(target, "wb", preset=9 | lzma.PRESET_EXTREME) as excerpt:
        excerpt.write("".join([header, *kept]).encode())
    with open(target, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    print(f"{len(kept):,} of {len(lines):,} lines ({len(kept) / len(lines):.1%}), SHA-256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

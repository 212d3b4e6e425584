"""Fenced blocks of a page, a terminal to type them into, and a look at whether what it says is what the page shows."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs" / "how-to"
SHOWN = "text"  # the language of what a reader sees after the block above

_FENCE = re.compile(r"```(?P<language>\w*)")
_NUMBERS = re.compile(r"\b[0-9a-f]{16,64}\b|[-+]?\d[\d.,:+-]*\d|[-+]?\d")  # digests, dates, times, ports, amounts
_END = "--- the block has ended ---"


@dataclass(frozen=True)
class Block:
    """One fenced block; `line` is that of its first fence, for whoever looks for it."""

    page: str
    line: int
    language: str
    text: str

    @property
    def first(self) -> str:
        """Its first line, by which lists name it."""
        return self.text.partition("\n")[0]

    def __str__(self) -> str:
        return f"docs/how-to/{self.page}:{self.line}"


def blocks(page: str) -> list[Block]:
    """The blocks of a page below docs/how-to, in order.

    Raises:
        ValueError: a block without a language or an end, or one that is indented, which nobody would run.
    """
    found: list[Block] = []
    inside: list[str] = []
    begun, language = 0, ""
    for number, line in enumerate((HOW_TO / page).read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.fullmatch(line)
        if fence and not begun:
            if not fence["language"]:
                raise ValueError(
                    f"docs/how-to/{page}:{number}: a block without a language; expected ```bash or another"
                )
            begun, language, inside = number, fence["language"], []
        elif line == "```":
            found.append(Block(page, begun, language, "\n".join(inside) + "\n"))
            begun = 0
        elif begun:
            inside.append(line)
        elif line.startswith("    "):
            raise ValueError(
                f"docs/how-to/{page}:{number}: a block that is indented; expected it between ```bash and ```"
            )
    if begun:
        raise ValueError(f"docs/how-to/{page}:{begun}: a block without an end")
    return found


def follow(wanted: list[Block], do: Mapping[str, Callable[[Block], str]]) -> None:
    """Do block after block, each by its language; one of language `text` must be what the block above it has said."""
    said = None
    for block in wanted:
        if block.language == SHOWN:
            assert said is not None, f"{block} shows what no block before it has said"
            assert_shown(block, said)
            said = None
        else:
            assert block.language in do, f"{block}: nothing runs blocks of language {block.language!r} of this page"
            said = do[block.language](block)


def assert_shown(block: Block, said: str) -> None:
    """What a page shows must be what was said, but for numbers; `…` is anything, alone on a line any lines."""
    wanted = "".join(
        r"(?:.*\n)*?" if line == "…" else re.escape(line).replace(re.escape("…"), ".*") + r"\n"
        for line in _lines(block.text)
    )
    found = "".join(f"{line}\n" for line in _lines(said))
    assert re.fullmatch(wanted, found), f"{block} shows\n{block.text}\nbut this was said:\n{said}"


def _lines(text: str) -> list[str]:
    """Lines without what the width of a column or a terminal decides, and without empty ones."""
    plain = [re.sub(r"-{2,}", "--", " ".join(_NUMBERS.sub("0", line).split())) for line in text.splitlines()]
    return [line for line in plain if line]


class Terminal:
    """A shell that stays open from block to block, as a reader's does. It ends at the first command that fails."""

    def __init__(self, folder: Path, environment: Mapping[str, str]):
        self.log: list[str] = []
        self._script = folder.resolve() / ".typed"
        self._shell = subprocess.Popen(
            ["bash", "-e", "-o", "pipefail"],
            cwd=folder,
            env={n: v for n, v in environment.items() if not n.startswith("MAKE")},  # of the `make test` around it
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._shell.kill()
        self._shell.communicate()
        self._script.unlink(missing_ok=True)

    def type(self, block: Block) -> str:
        """Type a block, and read what comes until all of its commands have ended well."""
        return self.run(block.text, str(block))

    def run(self, commands: str, what: str) -> str:
        """The same with commands that no block holds."""
        self._script.write_text(commands)
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f". {shlex.quote(str(self._script))} </dev/null; echo; echo '{_END}'\n")
        self._shell.stdin.flush()
        said = []
        for line in self._shell.stdout:
            if line.rstrip("\n") == _END:
                return "".join(said)
            said.append(line)
        raise AssertionError(f"{what} failed:\n{commands}\n{''.join(said)}")

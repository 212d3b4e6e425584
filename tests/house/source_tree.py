"""The syntax trees of the house, and what they import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "include" / "nightcast"


@dataclass(frozen=True)
class Import:
    """One imported module: `nightcast.store`, with where it is imported."""

    file: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"


def python_files() -> list[Path]:
    """Every Python file of the engine, the DAG folder and the plugins."""
    return sorted(f for top in (ENGINE, ROOT / "dags", ROOT / "plugins") for f in top.rglob("*.py"))


def room_of(file: Path) -> str:
    """The room that a file lies in: `store`, `dags`; `nightcast` for what lies beside the rooms."""
    if not file.is_relative_to(ENGINE):
        return file.relative_to(ROOT).parts[0]
    inside = file.relative_to(ENGINE).parts
    return inside[0] if len(inside) > 1 else "nightcast"


def imports_of(file: Path) -> Iterator[Import]:
    """Every import of a file, inside functions too. `from a import b` counts as `a` and as `a.b`."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Import(file, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = _absolute(file, node)
            yield Import(file, node.lineno, start)
            yield from (Import(file, node.lineno, f"{start}.{alias.name}") for alias in node.names)


def _absolute(file: Path, node: ast.ImportFrom) -> str:
    """`from ..domain import x` with the name that it stands for."""
    if not node.level:
        return node.module or ""
    package = file.relative_to(ENGINE.parent).parent.parts
    above = package[: len(package) - node.level + 1]
    return ".".join((*above, *filter(None, [node.module])))


def functions_of(file: Path) -> Iterator[tuple[str, int, int]]:
    """(name, first line, number of lines) of every function, methods and nested ones included."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1

"""The rules of the house that a reviewer would otherwise have to remember."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from pathlib import Path

import pytest

from house.source_tree import ENGINE, ROOT, Import, functions_of, imports_of, python_files, room_of
from house.sql_strings import built
from nightcast import errors

pytestmark = pytest.mark.unit

BASE = {"domain", "errors", "settings"}
ROOMS = {"spec", "source", "lake", "checks", "models", "store"}
MAY_IMPORT = {
    "domain": {"errors"},
    **dict.fromkeys(ROOMS, BASE),
    "steps": BASE | ROOMS,
    "orchestration": BASE | {"spec", "steps"},
    "web": BASE | {"steps", "store"},
    "dags": {"orchestration"},
    "plugins": {"web", "settings", "errors"},
}
ON_TOP = {"cli", "demo", "local"}  # of everything
HOMES = {  # library -> where alone it is imported
    "airflow": {"orchestration", "dags", "plugins"},
    "alembic": {"store"},
    "celery": {"local"},
    "fastapi": {"web", "plugins"},
    "fsspec": {"lake", "source"},
    "great_expectations": {"checks"},
    "holidays": {"demo"},
    "kombu": {"local"},
    "lightgbm": {"models"},
    "psutil": {"local"},
    "psycopg2": {"store", "source", "local", "demo"},
    "pydantic": {"spec"},
    "skops": {"models"},
    "sklearn": {"models"},
    "sqlalchemy": {"source", "store", "local", "demo"},
    "statsforecast": {"models"},
    "supervisor": {"local"},
    "typer": {"cli", "demo", "local"},
    "yaml": {"spec", "checks"},
}
IN_DOMAIN = sys.stdlib_module_names | {"numpy", "pandas", "pyarrow", "scipy", "nightcast"}


def all_imports() -> list[tuple[str, Import]]:
    return [(room_of(file), found) for file in python_files() for found in imports_of(file)]


def test_every_room_imports_only_what_lies_below_it() -> None:
    inside = {f.name for f in ENGINE.iterdir() if f.is_dir()} | {f.stem for f in ENGINE.glob("*.py")}
    wrong = []
    for room, found in all_imports():
        target = found.module.split(".")[1] if found.module.startswith("nightcast.") else None
        if room in MAY_IMPORT and target in inside and target not in MAY_IMPORT[room] | {room}:
            wrong.append(str(found))
    assert not wrong, "\n".join(wrong)


def test_every_room_is_in_the_table() -> None:
    assert {room_of(file) for file in python_files()} <= MAY_IMPORT.keys() | ON_TOP | {"nightcast"}


def test_a_library_is_imported_by_its_rooms_only() -> None:
    wrong = [str(i) for room, i in all_imports() if room not in HOMES.get(i.module.split(".")[0], {room})]
    assert not wrong, "\n".join(wrong)


def test_domain_needs_nothing_but_tables_and_numbers() -> None:
    wrong = [str(i) for room, i in all_imports() if room == "domain" and i.module.split(".")[0] not in IN_DOMAIN]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("line", ["from ..store import runs", "import nightcast.store", "from nightcast import store"])
def test_imports_are_seen_however_they_are_written(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: f"def f():\n    {line}\n")
    assert "nightcast.store" in {i.module for i in imports_of(ENGINE / "lake" / "objects.py")}


def test_plugins_hold_one_python_file() -> None:
    assert [f.relative_to(ROOT).as_posix() for f in (ROOT / "plugins").rglob("*.py")] == ["plugins/nightcast_ui.py"]


def test_files_stay_readable() -> None:
    long = {str(f.relative_to(ROOT)): n for f in python_files() if (n := len(f.read_text().splitlines())) > 300}
    assert not long, f"files above 300 lines: {long}"


def test_functions_stay_readable() -> None:
    long = [
        f"{file.relative_to(ROOT)}:{line} {name} has {length} lines"
        for file in python_files()
        for name, line, length in functions_of(file)
        if length > 60
    ]
    assert not long, "functions above 60 lines:\n" + "\n".join(long)


def test_every_error_has_a_runbook_and_every_runbook_an_error() -> None:
    kinds = [k for _, k in inspect.getmembers(errors, inspect.isclass) if issubclass(k, errors.NightcastError)]
    concrete = {errors.runbook_of(k) for k in kinds if not k.__subclasses__()}
    assert {f.name for f in (ROOT / "docs/runbooks").glob("*.md")} == concrete


def test_runbooks_say_what_to_look_at_and_what_to_do() -> None:
    for page in (ROOT / "docs/runbooks").glob("*.md"):
        kind, colon, meaning = page.read_text().splitlines()[0].removeprefix("# ").partition(":")
        assert errors.runbook_of(getattr(errors, kind)) == page.name
        assert colon
        assert meaning.strip()
        assert "\n## Look\n" in page.read_text()
        assert "\n## Do\n" in page.read_text()


def test_runbooks_name_commands_that_exist() -> None:
    typed, made = cli_commands(), set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in (ROOT / "docs/runbooks").rglob("*.md"):
        text = page.read_text()
        for command in re.findall(r"bin/nightcast ([a-z-]+(?: [a-z]+)?)", text):
            assert command in typed or command.split()[0] in typed, f"{page.name}: bin/nightcast {command}"
        for target in re.findall(r"(?:`| {4})make ([a-z-]+)", text):
            assert target in made, f"{page.name}: make {target}"


def test_every_setting_is_documented() -> None:
    used = set(re.findall(r'"(NIGHTCAST_[A-Z_]+[A-Z])"', (ENGINE / "settings.py").read_text()))
    documented = set(re.findall(r"NIGHTCAST_[A-Z_]+[A-Z]", (ROOT / ".env.example").read_text()))
    assert len(used) > 5
    assert used <= documented


def cli_commands() -> set[str]:
    """What can be typed after `bin/nightcast`: `runs`, `db plan`."""
    found = set()
    files = (ENGINE / "cli").glob("*.py")
    for node in (node for file in files for node in ast.walk(ast.parse(file.read_text()))):
        for decorator in node.decorator_list if isinstance(node, ast.FunctionDef) else []:
            called = decorator.func if isinstance(decorator, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr == "command":
                owner = called.value.id if isinstance(called.value, ast.Name) else ""
                named = [a.value for a in decorator.args if isinstance(a, ast.Constant)]
                name = str(named[0]) if named else str(node.name)
                found.add(name if owner == "app" else f"{owner} {name}")
    return found


def test_sql_is_not_built_out_of_strings() -> None:
    wrong = [
        f"{file.relative_to(ROOT)}:{line} builds SQL: {code}"
        for file in (*python_files(), *sorted((ROOT / "scripts").glob("*.py")))
        for line, code in built(file.read_text(encoding="utf-8"))
    ]
    assert not wrong, "bind values, compose identifiers with psycopg2.sql:\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    "code",
    [
        'cursor.execute(f"SELECT * FROM run WHERE run_id = {number}")',
        'cursor.execute("SELECT * FROM run WHERE run_id = %s" % number)',
        'cursor.execute("SELECT * FROM " + table)',
        'cursor.execute("SELECT * FROM {}".format(table))',
        'cursor.executemany(_SQL["insert"].format(table=table), found)',
        'cursor.copy_expert(f"COPY {table} FROM STDIN", file)',
        'cursor.execute(" ".join(["SELECT", column]))',
        'cursor.execute(query=f"{verb} everything")',
        'rows(tx, f"{query} LIMIT 1")',
        'execute(tx, "DROP TABLE x" if easy else f"DROP TABLE {name}")',
        'sql.SQL(f"{name} = %s")',
        'sql.SQL(kind + " float8")',
        'sa.text(query.replace(":day", day))',
        'query = "SELECT 1"\nquery += f" WHERE x = {x}"\ncursor.execute(query)',
        'def f(tx, name):\n    query = f"SELECT {name}"\n    return rows(tx, query)',
        'def f(tx, name):\n    def g():\n        execute(tx, made)\n    made = "DELETE FROM %s" % name\n    return g',
        'statement = f"DELETE FROM {table}"',
        'hand_on("UPDATE run SET state = " + state)',
    ],
)
def test_planted_sql_is_found(code: str) -> None:
    assert built(code), code


@pytest.mark.parametrize(
    "code",
    [
        'cursor.execute("SELECT * FROM run WHERE run_id = %(number)s", {"number": number})',
        'cursor.execute("SELECT a " "FROM b")',
        'execute(tx, sql.SQL(_SQL["set"]).format(table=sql.Identifier(name)))',
        'parts = sql.SQL(", ").join(map(sql.Identifier, names))\ncursor.execute(sql.SQL("SELECT {}").format(parts))',
        'made = sql.SQL("SELECT {}")\ncursor.execute(made.format(sql.Literal(1)))',
        'cursor.execute(sql.SQL("SELECT 1 ") + sql.SQL("WHERE true"))',
        'print(f"Drop those, then select {name}")',
        'path.write_text(text.replace("a", "b"))',
    ],
)
def test_composed_sql_is_let_through(code: str) -> None:
    assert not built(code), code

"""Asks the installed programs what they know: `python program.py < QUESTIONS`, both as JSON.

In a process of its own, because Airflow reads its settings when it is imported.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Callable
from typing import Any


def airflow_parser() -> Any:
    from airflow.cli import cli_parser

    return cli_parser.get_parser()


def our_parser(module: str) -> Callable[[list[str]], object]:
    if module == "nightcast.local.containers":
        from nightcast.local import containers

        return containers.parser().parse_args
    assert module == "nightcast.cli", f"{module} is not a program of ours"
    from typer.main import get_command

    from nightcast.cli.main import app

    def parse(arguments: list[str]) -> None:
        command, left = get_command(app), list(arguments)
        while hasattr(command, "commands"):
            command = command.commands[left.pop(0)]
        command.make_context(command.name, left)

    return parse


def problem(command: list[str]) -> str | None:
    """Why a command cannot be parsed."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            match command:
                case ["airflow", *arguments]:
                    airflow_parser().parse_args(arguments)
                case ["python", "-m", module, *arguments]:
                    our_parser(module)(arguments)
                case _:
                    return "expected airflow … or python -m …"
    except (SystemExit, Exception) as error:  # noqa: BLE001 - whatever a parser raises is the answer
        return f"{error}: {said.getvalue().strip().splitlines()[-1:]}"
    return None


def unknown(options: list[list[str]]) -> list[list[str]]:
    """Sections and options that Airflow and the installed providers do not declare."""
    from airflow.configuration import conf
    from airflow.providers_manager import ProvidersManager

    known = {(s, o) for s, section in conf.configuration_description.items() for o in section["options"]}
    for _, section in ProvidersManager().provider_configs:
        known |= {(name, option) for name, described in section.items() for option in described["options"]}
    return [[section, option] for section, option in options if (section, option) not in known]


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    told = {"commands": [problem(c) for c in asked["commands"]], "unknown": unknown(asked["options"])}
    sys.stdout.write("\n" + json.dumps(told))

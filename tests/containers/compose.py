"""docker-compose.yaml as Compose would read it: merged, with its variables filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

# The innermost variable, so that one inside another's default is filled in first.
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?:(:?[-?+])([^${}]*))?\}")
DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


@dataclass(frozen=True)
class Variable:
    """A variable that the file uses: its name, and the operator and text after it."""

    name: str
    operator: str
    text: str


@dataclass
class Compose:
    """The file, its services with YAML's merges done, and what filling in found."""

    text: str
    document: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.document = yaml.safe_load(self.text)

    @property
    def services(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document["services"]
        return found

    def variables(self) -> list[Variable]:
        """Every use of a variable, those inside a default too."""
        text = "\n".join(line for line in self.text.splitlines() if not line.lstrip().startswith("#"))
        found = []
        while used := list(VARIABLE.finditer(text)):
            found += [Variable(m[1], m[2] or "", m[3] or "") for m in used]
            text = VARIABLE.sub("x", text)
        return found

    def filled(self, environment: Mapping[str, str]) -> Compose:
        """The same with its variables filled in, as Compose does it: in each value, after YAML has been read."""
        found = Compose(self.text)
        found.document = _walked(found.document, environment)
        return found

    def environments(self) -> Iterator[tuple[str, str, str]]:
        """Service, name and value of every environment variable."""
        for name, service in self.services.items():
            for variable, value in service.get("environment", {}).items():
                yield name, variable, str(value)


def fill(text: str, environment: Mapping[str, str]) -> str:
    """Compose's substitution in a text.

    Raises:
        KeyError: a variable that is required is not set; the message is the file's.
    """

    def value(match: re.Match[str]) -> str:
        name, operator, other = match[1], match[2] or "", match[3] or ""
        given = environment.get(name)
        usable = bool(given) if operator.startswith(":") else given is not None
        if operator.endswith("?") and not usable:
            raise KeyError(f"{name}: {other}")
        if operator.endswith("+"):
            return other if usable else ""
        return str(given) if usable else other

    while VARIABLE.search(text):
        text = VARIABLE.sub(value, text)
    return text.replace("$$", "$")


def _walked(part: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {name: _walked(value, environment) for name, value in part.items()}
    if isinstance(part, list):
        return [_walked(value, environment) for value in part]
    return fill(part, environment) if isinstance(part, str) else part


def seconds(duration: str) -> float:
    """`1h2m3s` in seconds."""
    match = DURATION.fullmatch(duration)
    assert match, f"{duration!r} is not a duration"
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=rest).total_seconds()


def read(repository: Path) -> Compose:
    """The file as it is."""
    return Compose((repository / "docker-compose.yaml").read_text())

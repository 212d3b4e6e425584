"""YAML texts into plain values with their lines; what a number or a word is, `domain.team_file` decides."""

from __future__ import annotations

import yaml

from nightcast.domain.team_file import TeamFile, from_node

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # resolves nothing; the compiled one where there is one


def read_yaml(text: str, name: str) -> tuple[TeamFile, list[str]]:
    """The file's values, and a line for each mistake in its form."""
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        found = " ".join(filter(None, [error.context, error.problem]))
        return from_node(None, name)[0], [f"{name}:{line}: is not YAML: {found}; expected correct YAML"]
    except yaml.YAMLError as error:
        return from_node(None, name)[0], [f"{name}:1: is not YAML: {str(error).splitlines()[0]}; expected plain text"]
    except RecursionError:
        return from_node(None, name)[0], [f"{name}:1: is nested too deeply; expected a file that people can read"]
    return from_node(root, name)

"""Small expressions in the arguments of a check: `round(0.33 * trailing_rows)`.

Names, numbers, + - * /, and the functions round, min, max and abs. Everything else is refused before a night sees it.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

PARAMETER = "$PARAMETER"

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {"round": round, "min": min, "max": max, "abs": abs}


class NotKnown(LookupError):
    """A parameter exists but has no value, as a median of an empty past."""


def names(expression: str) -> set[str]:
    """The parameters that an expression uses. `ValueError`: it is not one of ours."""
    return {node.id for node in _checked(expression) if isinstance(node, ast.Name) and node.id not in _FUNCTIONS}


def expressions(value: Any) -> Iterator[Any]:
    """Every expression within an argument."""
    if isinstance(value, dict):
        if PARAMETER in value:
            yield value[PARAMETER]
        else:
            for inner in value.values():
                yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)


def filled_in(value: Any, parameters: Mapping[str, Any]) -> Any:
    """An argument with its expressions replaced by their values.

    Raises:
        KeyError: a parameter is not given.
        NotKnown: it is given as None.
        ValueError, TypeError, ZeroDivisionError: the expression has no value.
    """
    if isinstance(value, dict):
        if PARAMETER in value:
            return evaluate(value[PARAMETER], parameters)
        return {k: filled_in(v, parameters) for k, v in value.items()}
    return [filled_in(v, parameters) for v in value] if isinstance(value, list) else value


def evaluate(expression: str, parameters: Mapping[str, Any]) -> Any:
    """The value of an expression; errors as in `filled_in`."""
    _checked(expression)
    return _value(ast.parse(expression, mode="eval").body, parameters)


def _checked(expression: Any) -> list[ast.AST]:
    """All nodes of an expression that holds only what is allowed."""
    if not isinstance(expression, str) or len(expression) > 200:
        raise ValueError(f'{expression!r} is not an expression; expected text such as "round(0.5 * trailing_rows)"')
    try:
        nodes = list(ast.walk(ast.parse(expression, mode="eval")))
    except (SyntaxError, ValueError, RecursionError) as error:
        raise ValueError(f"{expression!r} cannot be read; expected numbers, names, + - * / and functions") from error
    for node in nodes:
        if not _allowed(node):
            kinds = ", ".join(_FUNCTIONS)
            raise ValueError(
                f"{expression!r} has {type(node).__name__.lower()}; expected numbers, names, + - * / and {kinds}"
            )
    return nodes


def _allowed(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return type(node.value) in (int, float)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS and not node.keywords
    plain = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.USub, ast.Name, ast.Load, *_BINARY)
    return isinstance(node, plain)


def _value(node: ast.expr, parameters: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            if parameters[node.id] is None:
                raise NotKnown(node.id)
            return parameters[node.id]
        case ast.UnaryOp():
            return -_value(node.operand, parameters)
        case ast.BinOp():
            return _BINARY[type(node.op)](_value(node.left, parameters), _value(node.right, parameters))
        case ast.Call(func=ast.Name(id=function)):
            return _FUNCTIONS[function](*(_value(a, parameters) for a in node.args))
    raise ValueError(f"{type(node).__name__} has no value here")

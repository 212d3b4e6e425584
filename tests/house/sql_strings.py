"""Where Python builds SQL out of strings, instead of binding values and composing identifiers with psycopg2's `sql`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

# What takes SQL, and at which place among its arguments; as a method or as a function of ours.
TAKES = {
    "execute": (0, 1),
    "_execute": (1,),
    "executemany": (0,),
    "execute_batch": (1,),
    "execute_values": (1,),
    "copy_expert": (0,),
    "mogrify": (0,),
    "exec_driver_sql": (0,),
    "text": (0,),
    "SQL": (0,),
    "rows": (1,),
    "row": (1,),
    "the_row": (1,),
    "insert_many": (1,),
    "digest_of_query": (1,),
}
STATEMENT = re.compile(
    r"\s*(SELECT\s|WITH\s.+\sAS\s*\(|INSERT\s+INTO\s|UPDATE\s|DELETE\s+FROM\s|TRUNCATE\s|COPY\s|LOCK\s+TABLE\s|SET\s+LOCAL\s|"
    r"(CREATE|ALTER|DROP)\s|GRANT\s|REVOKE\s|COMMENT\s+ON\s)",
    re.DOTALL,
)
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
Values = dict[str, list[ast.expr]]
BUILDERS = ("format", "join", "replace", "format_map", "__add__", "__mod__")


def built(source: str) -> list[tuple[int, str]]:
    """(line, code) of each place where SQL is put together by the means of strings."""
    return sorted(set(_in_scope(ast.parse(source), {})))


def _in_scope(scope: ast.AST, outer: Values) -> Iterator[tuple[int, str]]:
    """The places in a module or function, and in the functions in it, which know its names, too."""
    known = outer | _assigned(scope)
    for node in _own_nodes(scope):
        if isinstance(node, FUNCTION):
            yield from _in_scope(node, known)
        else:
            yield from ((part.lineno, ast.unparse(part)) for part in _sql_of(node) if _is_built(part, known))


def _sql_of(node: ast.AST) -> Iterator[ast.expr]:
    """What is taken as SQL here: an argument of what takes it, or any text that begins as a statement does."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        yield from (node.args[at] for at in TAKES.get(name, ()) if at < len(node.args))
        yield from (k.value for k in node.keywords if name in TAKES and k.arg in ("query", "sql", "statement"))
    if isinstance(node, ast.JoinedStr | ast.BinOp | ast.Call) and STATEMENT.match(_beginning(node)):
        yield node


def _is_built(node: ast.expr, known: Values, depth: int = 0) -> bool:
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp):
        return not _is_composed(node, known) and not all(isinstance(p, ast.Constant) for p in (node.left, node.right))
    if isinstance(node, ast.IfExp):
        return _is_built(node.body, known, depth) or _is_built(node.orelse, known, depth)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in BUILDERS:
        return not _is_composed(node.func.value, known)
    if isinstance(node, ast.Name) and depth < 5:
        return any(_is_built(value, known, depth + 1) for value in known.get(node.id, ()))
    return False


def _is_composed(node: ast.expr, known: Values, depth: int = 0) -> bool:
    """Whether this is psycopg2's own: `sql.SQL(…)`, `sql.Identifier(…)`, or what was made of them."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in BUILDERS:
            return _is_composed(node.func.value, known, depth)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return name in ("SQL", "Identifier", "Literal", "Placeholder", "Composed")
    if isinstance(node, ast.BinOp):
        return _is_composed(node.left, known, depth) and _is_composed(node.right, known, depth)
    if isinstance(node, ast.Name) and depth < 5 and node.id in known:
        return all(_is_composed(value, known, depth + 1) for value in known[node.id])
    return False


def _beginning(node: ast.AST) -> str:
    """The literal text that an expression begins with."""
    while not isinstance(node, ast.Constant):
        if isinstance(node, ast.JoinedStr) and node.values:
            node = node.values[0]
        elif isinstance(node, ast.BinOp):
            node = node.left
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in BUILDERS:
            node = node.func.value
        else:
            return ""
    return node.value if isinstance(node.value, str) else ""


def _assigned(scope: ast.AST) -> Values:
    """Every value that a name is given directly in a module or function."""
    found: Values = {}
    for node in _own_nodes(scope):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node.value)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and isinstance(node.target, ast.Name) and node.value:
            found.setdefault(node.target.id, []).append(node.value)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            made = ast.BinOp(ast.Name(node.target.id), node.op, node.value)
            found.setdefault(node.target.id, []).append(ast.copy_location(made, node))
    return found


def _own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """What is in a module or function, down to the functions in it, whose insides are their own."""
    for node in ast.iter_child_nodes(scope):
        yield node
        if not isinstance(node, FUNCTION):
            yield from _own_nodes(node)

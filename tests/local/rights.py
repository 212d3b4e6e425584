"""What each role may do on each object of a server: asked of its catalogs, and tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2

TABLE = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN")
COLUMN = ("SELECT", "INSERT", "UPDATE", "REFERENCES")
SYSTEM = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_t%%'"
RELATIONS = f"""
SELECT n.nspname || '.' || c.relname AS object, r.rolname AS role, c.relkind = 'S' AS sequence,
    CASE c.relkind WHEN 'S' THEN
        ARRAY(
            SELECT p FROM unnest(ARRAY['USAGE', 'SELECT', 'UPDATE']) AS p WHERE has_sequence_privilege(r.oid, c.oid, p)
        )
    ELSE
        ARRAY(
            SELECT p FROM unnest(%(table)s) WITH ORDINALITY AS t (p, i)
            WHERE has_table_privilege(r.oid, c.oid, p) ORDER BY i
        )
        || ARRAY(
            SELECT p || '(' || string_agg(a.attname, ', ' ORDER BY a.attnum) || ')'
            FROM unnest(%(column)s) AS p CROSS JOIN pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND NOT has_table_privilege(r.oid, c.oid, p) AND has_column_privilege(r.oid, c.oid, a.attnum, p)
            GROUP BY p ORDER BY p
        )
    END AS may
FROM pg_class AS c JOIN pg_namespace AS n ON c.relnamespace = n.oid AND {SYSTEM} CROSS JOIN pg_roles AS r
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND r.rolname = ANY(%(roles)s)
"""
FUNCTIONS = f"""
SELECT n.nspname || '.' || p.proname || '()' AS object, r.rolname AS role,
    ARRAY(SELECT 'EXECUTE' WHERE has_function_privilege(r.oid, p.oid, 'EXECUTE')) AS may
FROM pg_proc AS p JOIN pg_namespace AS n ON p.pronamespace = n.oid AND {SYSTEM} CROSS JOIN pg_roles AS r
WHERE r.rolname = ANY(%(roles)s)
"""
SCHEMAS = f"""
SELECT 'schema ' || n.nspname AS object, r.rolname AS role,
    ARRAY(SELECT p FROM unnest(ARRAY['USAGE', 'CREATE']) AS p WHERE has_schema_privilege(r.oid, n.oid, p)) AS may
FROM pg_namespace AS n CROSS JOIN pg_roles AS r WHERE {SYSTEM} AND r.rolname = ANY(%(roles)s)
"""
DATABASES = """
SELECT 'database ' || d.datname AS object, r.rolname AS role,
    ARRAY(
        SELECT p FROM unnest(ARRAY['CONNECT', 'CREATE', 'TEMPORARY']) AS p WHERE has_database_privilege(r.oid, d.oid, p)
    ) AS may
FROM pg_database AS d CROSS JOIN pg_roles AS r WHERE d.datallowconn AND r.rolname = ANY(%(roles)s)
"""
TRIED = {  # each is refused for want of a right, or gets as far as to fail or succeed for another reason
    "SELECT": "SELECT FROM {}",
    "INSERT": "INSERT INTO {} DEFAULT VALUES",
    "DELETE": "DELETE FROM {} WHERE false",
    "TRUNCATE": "TRUNCATE {}",
}

Rights = dict[str, dict[str, str]]


def ask(url: str, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as connection, connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


def of_server(superuser_url: str, roles: list[str]) -> Rights:
    """Object -> role -> what it may do, where that is anything: databases."""
    return _spelled(ask(superuser_url, DATABASES, roles=roles))


def of_database(superuser_url: str, roles: list[str]) -> Rights:
    """The same of all that is in a database: schemas, tables, views, sequences, functions."""
    found = ask(superuser_url, SCHEMAS, roles=roles) + ask(superuser_url, FUNCTIONS, roles=roles)
    relations = ask(superuser_url, RELATIONS, roles=roles, table=list(TABLE), column=list(COLUMN))
    return _spelled(found + [(name, role, may) for name, role, _, may in relations])


def attempts(url: str, rights: Rights, role: str) -> Iterator[tuple[str, bool, str]]:
    """(statement, whether the catalogs allow it, what the server said) for each relation, as the role of `url`."""
    with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as connection:
        for name, by_role in rights.items():
            if name.startswith("schema ") or name.endswith(("()", "_seq")):
                continue
            may = by_role.get(role, "").split()
            for privilege, statement in TRIED.items():
                if privilege == "SELECT" and any(part.startswith("SELECT(") for part in may):
                    continue  # some columns: the catalogs alone say which
                yield statement.format(name), privilege in may, _said(connection, statement.format(name))


def _said(connection: Any, statement: str) -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    except psycopg2.Error as error:
        return str(error)
    finally:
        connection.rollback()
    return "done"


def _spelled(found: list[tuple[Any, ...]]) -> Rights:
    objects: Rights = {name: {} for name, *_ in sorted(found)}
    for name, role, may in sorted(found):
        if may:
            objects[name][role] = " ".join(may)
    return objects

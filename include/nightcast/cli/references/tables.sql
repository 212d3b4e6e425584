-- name: relations
SELECT
    c.oid::bigint AS oid,
    n.nspname AS schema,
    c.relname AS name,
    obj_description(c.oid, 'pg_class') AS says
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname IN ('forecast', 'internal') AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
ORDER BY n.nspname, c.relkind = 'v', c.relname

-- name: columns
SELECT
    a.attrelid::bigint AS oid,
    a.attname AS name,
    format_type(a.atttypid, a.atttypmod) AS type,
    a.attnotnull AS required,
    col_description(a.attrelid, a.attnum) AS says
FROM pg_attribute AS a
INNER JOIN pg_class AS c ON a.attrelid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname IN ('forecast', 'internal') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum

-- name: functions
SELECT
    p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS name,
    obj_description(p.oid, 'pg_proc') AS says
FROM pg_proc AS p
WHERE p.pronamespace = 'forecast'::regnamespace
ORDER BY 1

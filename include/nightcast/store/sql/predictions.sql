-- name: ensure_partition
SELECT internal.ensure_partition(%(pipeline)s, %(version)s, %(origin)s) AS made

-- name: clear_shard
SELECT internal.clear_shard(%(run_id)s, %(shard)s::smallint)

-- name: origin
SELECT origin FROM internal.run WHERE run_id = %(run_id)s

-- name: digested
SELECT {columns} FROM {prediction}
WHERE run_id = {run_id} AND origin = {origin}
ORDER BY {keys}, target_date

-- name: aggregates
SELECT
    count(*) AS rows,
    count(DISTINCT ({keys})) AS keys,
    count(DISTINCT p.target_date) AS days,
    count(*) FILTER (WHERE v.non_finite) AS non_finite,
    count(*) FILTER (WHERE v.negative) AS negative,
    count(*) FILTER (WHERE NOT ({rising})) AS crossed,
    count(*) FILTER (
        WHERE p.origin <> r.origin OR p.horizon <> p.target_date - r.origin OR p.horizon NOT BETWEEN 1 AND %(horizon)s
    ) AS wrong_dates,
    coalesce(sum(p.mean), 0) AS total
FROM internal.run AS r
INNER JOIN {prediction} AS p ON r.run_id = p.run_id
CROSS JOIN LATERAL (
    SELECT
        bool_or(x IS NULL OR x IN ('NaN', 'Infinity', '-Infinity')) AS non_finite,
        bool_or(x < 0) AS negative
    FROM unnest(ARRAY[{values}]) AS u (x)
) AS v
WHERE r.run_id = %(run_id)s

-- name: stage_keys
CREATE TEMPORARY TABLE expected_key ON COMMIT DROP AS SELECT {keys} FROM {prediction} AS p WHERE false

-- name: drop_keys
DROP TABLE pg_temp.expected_key

-- name: completeness
SELECT
    count(*) FILTER (WHERE x.problem = 'missing') AS missing,
    count(*) FILTER (WHERE x.problem = 'unexpected') AS unexpected
FROM (
    SELECT CASE WHEN p.run_id IS NULL THEN 'missing' WHEN e.day IS NULL THEN 'unexpected' END AS problem
    FROM (SELECT k.*, d.day FROM pg_temp.expected_key AS k CROSS JOIN unnest(%(days)s::date []) AS d (day)) AS e
    FULL JOIN (
        SELECT p.* FROM {prediction} AS p INNER JOIN internal.run AS r ON p.run_id = r.run_id AND p.origin = r.origin
        WHERE p.run_id = %(run_id)s
    ) AS p ON {same_keys} AND p.target_date = e.day
) AS x

-- name: incomplete
SELECT * FROM (
    SELECT 'missing' AS problem, {expected_keys}, e.day AS target_date
    FROM (SELECT k.*, d.day FROM pg_temp.expected_key AS k CROSS JOIN unnest(%(days)s::date []) AS d (day)) AS e
    WHERE NOT EXISTS (
        SELECT FROM {prediction} AS p WHERE p.run_id = %(run_id)s AND {same_keys} AND p.target_date = e.day
    )
    UNION ALL
    SELECT 'unexpected' AS problem, {keys}, p.target_date
    FROM {prediction} AS p
    WHERE
        p.run_id = %(run_id)s
        AND NOT (
            p.target_date = any(%(days)s::date []) AND EXISTS (SELECT FROM pg_temp.expected_key AS e WHERE {same_keys})
        )
) AS x
LIMIT 5

-- name: totals_by_day
SELECT p.target_date, sum(p.mean) AS total
FROM internal.run AS r
INNER JOIN {prediction} AS p ON r.run_id = p.run_id AND r.origin = p.origin
WHERE r.run_id = %(run_id)s
GROUP BY p.target_date
ORDER BY p.target_date

-- name: of_key
SELECT * FROM {prediction} WHERE run_id = %(run_id)s AND {is_key} ORDER BY target_date

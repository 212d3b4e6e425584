-- name: delete
DELETE FROM internal.drift_score WHERE run_id = %(run_id)s

-- name: insert
INSERT INTO internal.drift_score (
    run_id, reference, kind, column_name, statistic, value, definition, n_reference, n_current, rank, rank_n, slice,
    reason, moved, pipeline, origin
)
SELECT
    v.run_id, v.reference, v.kind, v.column_name, v.statistic, v.value, v.definition, v.n_reference, v.n_current,
    v.rank, v.rank_n, v.slice, v.reason, v.moved,
    r.pipeline,
    coalesce(v.origin, r.origin)
FROM (VALUES %s) AS v (
    run_id, reference, kind, column_name, statistic, value, definition, n_reference, n_current, rank, rank_n, slice,
    origin, reason, moved
)
INNER JOIN internal.run AS r ON v.run_id = r.run_id

-- name: score
(%s, %s, %s, %s, %s, %s::float8, %s, %s, %s, %s::float8, %s::int, %s, %s::date, %s, %s)

-- name: of_run
SELECT
    reference,
    kind,
    column_name,
    statistic,
    value,
    definition,
    n_reference,
    n_current,
    rank,
    rank_n,
    slice,
    origin,
    reason,
    moved
FROM internal.drift_score
WHERE run_id = %(run_id)s
ORDER BY origin, reference, kind, column_name, slice, statistic

-- name: past
WITH scored AS (
    SELECT DISTINCT
        origin,
        run_id
    FROM internal.drift_score
    WHERE pipeline = %(pipeline)s AND origin < %(before)s
),

night AS (
    SELECT DISTINCT ON (s.origin)
        s.origin,
        s.run_id
    FROM scored AS s
    INNER JOIN internal.run AS r ON s.run_id = r.run_id
    WHERE
        r.state IN ('published', 'unchanged', 'superseded', 'done')
        AND NOT r.look_ahead
        AND NOT EXISTS (
            SELECT FROM internal.standing_decision AS w WHERE w.kind = 'withdraw' AND w.run_id = r.run_id
        )
    ORDER BY s.origin DESC, r.kind = 'night' DESC, s.run_id DESC
    LIMIT %(nights)s
)

SELECT
    d.reference,
    d.kind,
    d.column_name,
    d.slice,
    d.statistic,
    array_agg(d.value ORDER BY n.origin) AS earlier
FROM night AS n
INNER JOIN internal.drift_score AS d ON n.run_id = d.run_id AND n.origin = d.origin
WHERE d.value IS NOT NULL
GROUP BY d.reference, d.kind, d.column_name, d.slice, d.statistic

-- name: stage
CREATE TEMPORARY TABLE staged_actual ON COMMIT DROP AS SELECT {keys}, event_day, value FROM {actual} WHERE false

-- name: unstage
DROP TABLE pg_temp.staged_actual

-- name: now
SELECT clock_timestamp() AS now

-- name: close
UPDATE {actual} AS a SET known_to = %(now)s
WHERE
    a.known_to IS NULL
    AND a.event_day = any(%(days)s::date [])
    AND NOT EXISTS (
        SELECT FROM pg_temp.staged_actual AS s
        WHERE s.event_day = a.event_day AND {same_keys} AND s.value = a.value
    )

-- name: open
INSERT INTO {actual} ({keys}, event_day, value, known_from, run_id)
SELECT {staged_keys}, s.event_day, s.value, %(now)s, %(run_id)s
FROM pg_temp.staged_actual AS s
WHERE NOT EXISTS (
    SELECT FROM {actual} AS a WHERE a.known_to IS NULL AND a.event_day = s.event_day AND {same_keys}
)

-- name: days
INSERT INTO internal.actual_day (pipeline, tables_version, event_day, run_id, recorded_at)
SELECT %(pipeline)s, %(version)s, d.day, %(run_id)s, %(now)s
FROM unnest(%(days)s::date []) AS d (day)
ON CONFLICT (pipeline, tables_version, event_day) DO UPDATE
SET run_id = excluded.run_id, recorded_at = excluded.recorded_at

-- name: known_now
known_to IS NULL

-- name: known_at
known_from <= {moment} AND (known_to IS NULL OR known_to > {moment})

-- name: read
SELECT {keys}, event_day, value FROM {actual}
WHERE event_day BETWEEN {first} AND {last} AND {known}
ORDER BY event_day, {keys}

-- name: recorded_days
SELECT event_day FROM internal.actual_day
WHERE pipeline = %(pipeline)s AND tables_version = %(version)s AND event_day BETWEEN %(first)s AND %(last)s

-- name: add_accuracy
INSERT INTO internal.accuracy_score
(run_id, horizon_bucket, slice, method, metric, maturity, value, n, sum_actual, pipeline, origin, model_version)
SELECT v.*, r.pipeline, r.origin, r.model_version
FROM (VALUES %s) AS v (run_id, horizon_bucket, slice, method, metric, maturity, value, n, sum_actual)
INNER JOIN internal.run AS r ON v.run_id = r.run_id

-- name: score
(%s, %s, %s, %s, %s, %s, %s::float8, %s, %s)

-- name: accuracy_of
SELECT DISTINCT ON (horizon_bucket, slice, method, metric, maturity)
    run_id,
    origin,
    model_version,
    horizon_bucket,
    slice,
    method,
    metric,
    maturity,
    value,
    n,
    sum_actual,
    computed_at
FROM internal.accuracy_score
WHERE run_id = %(run_id)s
ORDER BY horizon_bucket ASC, slice ASC, method ASC, metric ASC, maturity ASC, computed_at DESC

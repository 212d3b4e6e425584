-- name: seen
SELECT max(event_day) AS seen FROM internal.intake WHERE pipeline = %(pipeline)s

-- name: nights
SELECT
    n.origin,
    n.run_id,
    n.before,
    b.yardstick,
    b.last_target,
    b.truth
FROM (
    SELECT
        p.origin,
        p.run_id,
        lag(p.run_id) OVER (ORDER BY p.origin) AS before
    FROM internal.publication AS p
    INNER JOIN internal.run AS r ON p.run_id = r.run_id
    WHERE
        p.pipeline = %(pipeline)s
        AND p.withdrawn_at IS NULL
        AND r.tables_version = %(version)s
        AND NOT r.look_ahead
) AS n
LEFT JOIN internal.accuracy_basis AS b ON n.run_id = b.run_id
ORDER BY n.origin

-- name: keep_basis
INSERT INTO internal.accuracy_basis (run_id, yardstick, last_target, truth)
VALUES (%(run_id)s, %(yardstick)s, %(last_target)s, %(truth)s)
ON CONFLICT (run_id) DO UPDATE SET
yardstick = excluded.yardstick,
last_target = excluded.last_target,
truth = excluded.truth,
computed_at = clock_timestamp()

-- name: add
INSERT INTO internal.accuracy_score (
    run_id, horizon_bucket, slice, method, metric, maturity, value, reason, n, sum_actual, days_compared,
    days_forecast, pipeline, origin, model_version
)
SELECT
    v.*,
    r.pipeline,
    r.origin,
    r.model_version
FROM (VALUES %s) AS v (
    run_id, horizon_bucket, slice, method, metric, maturity, value, reason, n, sum_actual, days_compared,
    days_forecast
)
INNER JOIN internal.run AS r ON v.run_id = r.run_id

-- name: score
(%s, %s, %s, %s, %s, %s, %s::float8, %s, %s, %s::float8, %s::smallint, %s::smallint)

-- name: of_run
SELECT DISTINCT ON (horizon_bucket, slice, method, metric)
    run_id,
    origin,
    model_version,
    horizon_bucket,
    slice,
    method,
    metric,
    maturity,
    value,
    reason,
    n,
    sum_actual,
    days_compared,
    days_forecast,
    computed_at
FROM internal.accuracy_score
WHERE run_id = %(run_id)s
ORDER BY horizon_bucket ASC, slice ASC, method ASC, metric ASC, computed_at DESC

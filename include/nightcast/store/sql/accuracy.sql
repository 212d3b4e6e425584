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

-- name: summary
WITH shown AS (
    SELECT p.run_id FROM internal.publication AS p
    INNER JOIN internal.accuracy_basis AS b ON p.run_id = b.run_id
    WHERE p.pipeline = %(pipeline)s AND p.withdrawn_at IS NULL AND p.origin < %(before)s
    ORDER BY p.origin DESC LIMIT %(nights)s
),

newest AS (
    SELECT DISTINCT ON (s.run_id, s.horizon_bucket, s.method, s.metric) s.*
    FROM internal.accuracy_score AS s
    WHERE
        s.slice = ''
        AND (
            s.run_id = %(run_id)s
            OR (s.horizon_bucket = 'all' AND s.run_id IN (SELECT n.run_id FROM shown AS n))
        )
    ORDER BY s.run_id ASC, s.horizon_bucket ASC, s.method ASC, s.metric ASC, s.computed_at DESC
)

SELECT
    origin,
    run_id,
    horizon_bucket,
    max(maturity) FILTER (WHERE metric = 'wape_day') AS maturity,
    max(days_compared) FILTER (WHERE metric = 'wape_day') AS days_compared,
    max(days_forecast) FILTER (WHERE metric = 'wape_day') AS days_forecast,
    max(n) FILTER (WHERE metric = 'wape_day') AS n,
    max(value) FILTER (WHERE metric = 'wape_day' AND method = 'model') AS wape_day,
    max(value) FILTER (WHERE metric = 'wape_day' AND method = 'seasonal_naive') AS naive_wape_day,
    max(value) FILTER (WHERE metric = 'value_added_day') AS value_added_day,
    max(value) FILTER (WHERE metric = 'wape_horizon' AND method = 'model') AS wape_horizon,
    max(value) FILTER (WHERE metric = 'bias' AND method = 'model') AS bias,
    max(value) FILTER (WHERE metric = 'coverage') AS coverage,
    max(value) FILTER (WHERE metric = 'churn') AS churn
FROM newest
GROUP BY origin, run_id, horizon_bucket
ORDER BY origin DESC, horizon_bucket

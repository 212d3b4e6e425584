-- name: freshness
SELECT
    pipeline,
    title,
    owner,
    last_published_origin,
    last_published_at,
    expected_origin,
    late_by
FROM forecast.freshness
ORDER BY pipeline

-- name: unpublished
SELECT
    pipeline,
    origin,
    due,
    state,
    reason,
    run
FROM forecast.unpublished
WHERE %(pipeline)s::text IS NULL OR pipeline = %(pipeline)s
ORDER BY pipeline, origin DESC

-- name: nights
SELECT
    r.run_id,
    r.pipeline,
    r.origin,
    r.attempt,
    r.state,
    r.reason,
    r.pulled,
    r.accepted,
    r.quarantined,
    r.duplicates,
    r.predictions,
    r.model_version,
    r.opened_at,
    r.ended_at,
    p.revision,
    p.withdrawn_at IS NULL AND p.revision IS NOT NULL AS shown
FROM internal.run AS r
LEFT JOIN LATERAL (
    SELECT
        b.revision,
        b.withdrawn_at
    FROM internal.publication AS b
    WHERE b.run_id = r.run_id
    ORDER BY b.publication_id DESC LIMIT 1
) AS p ON TRUE
WHERE r.kind = 'night'
ORDER BY r.run_id DESC
LIMIT %(limit)s

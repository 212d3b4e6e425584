-- Which nights readers do not have: too old to be caught up, stopped, failed, withdrawn, or never run.

CREATE VIEW forecast.unpublished AS
SELECT
    p.name AS pipeline,
    night.origin,
    night.due,
    newest.state,
    coalesce(newest.reason, withdrawn.reason) AS reason,
    newest.run_id AS run
FROM internal.pipeline AS p
CROSS JOIN LATERAL (
    SELECT
        min(r.origin) AS first_origin,
        max(r.origin) AS last_origin
    FROM internal.run AS r
    WHERE r.pipeline = p.name AND r.kind = 'night'
) AS asked
CROSS JOIN LATERAL (
    SELECT
        d::date AS origin,
        (d::date + 1 + p.ready_by) AT TIME ZONE p.timezone AS due,
        d::date >= p.first_night AND extract(ISODOW FROM d + interval '1 day') = any(p.fires_on) AS is_scheduled
    FROM generate_series(asked.first_origin::timestamp, asked.last_origin::timestamp, interval '1 day') AS d
) AS night
LEFT JOIN LATERAL (
    SELECT
        r.run_id,
        r.state,
        r.reason
    FROM internal.run AS r
    WHERE r.pipeline = p.name AND r.kind = 'night' AND r.origin = night.origin
    ORDER BY r.attempt DESC LIMIT 1
) AS newest ON TRUE
LEFT JOIN LATERAL (
    SELECT b.reason
    FROM internal.publication AS b
    WHERE b.pipeline = p.name AND b.origin = night.origin
    ORDER BY b.revision DESC LIMIT 1
) AS withdrawn ON TRUE
WHERE
    (night.is_scheduled OR newest.run_id IS NOT NULL)
    AND night.due <= now()
    AND NOT EXISTS (
        SELECT FROM internal.publication AS b
        WHERE b.pipeline = p.name AND b.origin = night.origin AND b.withdrawn_at IS NULL
    );
COMMENT ON VIEW forecast.unpublished IS 'One row per night that is due and that readers do not have, from the first night that was asked for to the newest.';
COMMENT ON COLUMN forecast.unpublished.pipeline IS 'The pipeline.';
COMMENT ON COLUMN forecast.unpublished.origin IS 'The night.';
COMMENT ON COLUMN forecast.unpublished.due IS 'When readers expected it.';
COMMENT ON COLUMN forecast.unpublished.state IS 'State of its newest run: too_old (not caught up), stopped, failed, published (withdrawn since), …; null where none was asked for.';
COMMENT ON COLUMN forecast.unpublished.reason IS 'Why that run ended so, or why its rows were withdrawn.';
COMMENT ON COLUMN forecast.unpublished.run IS 'That run.';

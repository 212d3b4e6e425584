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
INSERT INTO internal.actual_day (pipeline, tables_version, event_day, panel_digest, run_id, recorded_at)
SELECT %(pipeline)s, %(version)s, d.day, d.panel_digest, %(run_id)s, %(now)s
FROM unnest(%(days)s::date [], %(panels)s::text []) AS d (day, panel_digest)
ON CONFLICT (pipeline, tables_version, event_day) DO UPDATE
SET panel_digest = excluded.panel_digest, run_id = excluded.run_id, recorded_at = excluded.recorded_at

-- name: known_now
known_to IS NULL

-- name: known_at
known_from <= {moment} AND (known_to IS NULL OR known_to > {moment})

-- name: read
SELECT {keys}, event_day, value FROM {actual}
WHERE event_day BETWEEN {first} AND {last} AND {known}
ORDER BY event_day, {keys}

-- name: recorded_days
SELECT
    event_day,
    panel_digest
FROM internal.actual_day
WHERE pipeline = %(pipeline)s AND tables_version = %(version)s AND event_day >= %(first)s
ORDER BY event_day

-- Removing on purpose, as the tables' owner.

-- name: unhurried
-- Files are read and written in between.
SET LOCAL idle_in_transaction_session_timeout = 0

-- name: at_work
SELECT run_id FROM internal.run AS r
WHERE
    r.pipeline = %(pipeline)s AND r.state = 'open'
    AND (
        r.opened_at >= clock_timestamp() - interval '1 hour'
        OR EXISTS (
            SELECT FROM internal.run_step AS s
            WHERE s.run_id = r.run_id AND coalesce(s.ended_at, s.started_at) >= clock_timestamp() - interval '1 hour'
        )
    )
ORDER BY run_id

-- name: revisions
SELECT event_day, revision, raw_object, content_digest, panel_object, panel_digest
FROM internal.intake WHERE pipeline = %(pipeline)s
ORDER BY event_day, revision

-- name: extracted
-- Days that a run has read and not taken in, because it stopped or failed before.
SELECT DISTINCT (d.value ->> 'day')::date AS event_day, d.value ->> 'raw_object' AS raw_object
FROM internal.run_step AS s
INNER JOIN internal.run AS r ON s.run_id = r.run_id
CROSS JOIN LATERAL jsonb_array_elements(s.result -> 'days') AS d
WHERE
    r.pipeline = %(pipeline)s AND s.step = 'extract' AND jsonb_typeof(s.result -> 'days') = 'array'
    AND d.value ->> 'raw_object' IS NOT NULL

-- name: set_raw
UPDATE internal.intake SET raw_object = %(raw_object)s, content_digest = %(content)s, panel_key = NULL
WHERE pipeline = %(pipeline)s AND raw_object = %(old)s

-- name: set_panel
UPDATE internal.intake
SET panel_object = %(panel_object)s, panel_digest = %(panel)s, totals = %(totals)s, panel_key = NULL
WHERE pipeline = %(pipeline)s AND event_day = %(event_day)s AND panel_object = %(old)s

-- name: set_recorded
UPDATE internal.actual_day SET panel_digest = %(panel)s
WHERE pipeline = %(pipeline)s AND event_day = %(event_day)s AND panel_digest = %(old)s

-- name: results
SELECT s.run_id, s.step, s.shard, s.attempt, s.result::text AS result FROM internal.run_step AS s
INNER JOIN internal.run AS r ON s.run_id = r.run_id
WHERE r.pipeline = %(pipeline)s AND s.step = any(%(steps)s) AND s.result IS NOT NULL

-- name: set_result
UPDATE internal.run_step SET result = %(result)s::jsonb
WHERE run_id = %(run_id)s AND step = %(step)s AND shard = %(shard)s AND attempt = %(attempt)s

-- name: snapshots
SELECT run_id, manifest_digest FROM internal.run
WHERE pipeline = %(pipeline)s AND manifest_digest IS NOT NULL ORDER BY run_id

-- name: set_snapshot
UPDATE internal.run SET manifest_digest = %(new)s WHERE pipeline = %(pipeline)s AND manifest_digest = %(old)s

-- name: set_training
UPDATE internal.model_version SET training_digest = %(new)s
WHERE pipeline = %(pipeline)s AND training_digest = %(old)s

-- name: tables
SELECT c.relname AS name FROM pg_class AS c
WHERE c.relnamespace = 'internal'::regnamespace AND c.relname = any(%(names)s)
ORDER BY c.relname

-- name: delete_predictions
WITH gone AS (DELETE FROM {table} AS t WHERE {its} RETURNING t.run_id)

SELECT run_id, count(*) AS rows FROM gone GROUP BY run_id

-- name: fewer_predictions
UPDATE internal.run SET predictions = predictions - %(rows)s, expected = expected - %(rows)s
WHERE run_id = %(run_id)s AND predictions IS NOT NULL AND expected IS NOT NULL

-- name: delete_actuals
DELETE FROM {table} AS t WHERE {its}

-- name: models_of
SELECT version FROM internal.model_version WHERE pipeline = %(pipeline)s AND run_id = any(%(runs)s) ORDER BY version

-- name: expire_raw
WITH old AS (
    SELECT pipeline, event_day, revision, raw_object FROM internal.intake
    WHERE pipeline = %(pipeline)s AND event_day < %(before)s AND raw_object IS NOT NULL
    FOR UPDATE
)

UPDATE internal.intake AS i SET raw_object = NULL
FROM old
WHERE i.pipeline = old.pipeline AND i.event_day = old.event_day AND i.revision = old.revision
RETURNING old.raw_object

-- name: expire_quarantined
DELETE FROM internal.quarantined_row WHERE pipeline = %(pipeline)s AND event_day < %(before)s

-- name: expire_samples
UPDATE internal.check_result AS c SET sample = '[]'
FROM internal.run AS r
WHERE r.run_id = c.run_id AND r.pipeline = %(pipeline)s AND r.origin < %(before)s AND c.sample <> '[]'

-- name: yardsticks
SELECT DISTINCT b.yardstick FROM internal.accuracy_basis AS b
INNER JOIN internal.run AS r ON b.run_id = r.run_id
WHERE r.pipeline = %(pipeline)s

-- name: set_yardstick
UPDATE internal.accuracy_basis AS b SET yardstick = %(new)s
FROM internal.run AS r
WHERE r.run_id = b.run_id AND r.pipeline = %(pipeline)s AND b.yardstick = %(old)s

-- name: delete_slices
DELETE FROM internal.accuracy_score WHERE pipeline = %(pipeline)s AND slice = any(%(slices)s)

-- name: delete_quarantined
DELETE FROM internal.quarantined_row WHERE pipeline = %(pipeline)s AND row @> %(subject)s

-- name: clean_samples
UPDATE internal.check_result AS c SET sample = coalesce((
    SELECT jsonb_agg(e.value) FROM jsonb_array_elements(c.sample) AS e
    WHERE NOT (
        e.value @> %(subject)s OR EXISTS (SELECT FROM unnest(%(texts)s::text []) AS t WHERE position(t IN e.value::text) > 0)
    )
), '[]')
FROM internal.run AS r
WHERE
    r.run_id = c.run_id AND r.pipeline = %(pipeline)s AND jsonb_typeof(c.sample) = 'array'
    AND EXISTS (
        SELECT FROM jsonb_array_elements(c.sample) AS e
        WHERE
            e.value @> %(subject)s
            OR EXISTS (SELECT FROM unnest(%(texts)s::text []) AS t WHERE position(t IN e.value::text) > 0)
    )

-- name: clean_checks
UPDATE internal.check_result AS c
SET
    message = regexp_replace(c.message, %(pattern)s, '[erased]', 'g'),
    observed = regexp_replace(c.observed, %(pattern)s, '[erased]', 'g')
FROM internal.run AS r
WHERE
    r.run_id = c.run_id AND r.pipeline = %(pipeline)s
    AND (c.message ~ %(pattern)s OR c.observed ~ %(pattern)s)

-- name: clean_steps
UPDATE internal.run_step AS s SET error = regexp_replace(s.error, %(pattern)s, '[erased]', 'g')
FROM internal.run AS r
WHERE r.run_id = s.run_id AND r.pipeline = %(pipeline)s AND s.error ~ %(pattern)s

-- name: clean_decisions
UPDATE internal.decision SET reason = regexp_replace(reason, %(pattern)s, '[erased]', 'g')
WHERE pipeline = %(pipeline)s AND reason ~ %(pattern)s

-- name: clean_runs
UPDATE internal.run SET reason = regexp_replace(reason, %(pattern)s, '[erased]', 'g')
WHERE pipeline = %(pipeline)s AND reason ~ %(pattern)s

-- name: record
INSERT INTO internal.removal (pipeline, kind, subject, columns, who, why, first_day, last_day, counts, runs, objects)
VALUES (
    %(pipeline)s, %(kind)s, %(subject)s, %(columns)s, %(who)s, %(why)s, %(first_day)s, %(last_day)s, %(counts)s,
    %(runs)s, %(objects)s::text []
)
RETURNING *

-- name: undone
SELECT * FROM internal.removal WHERE done_at IS NULL ORDER BY removal_id

-- name: done
UPDATE internal.removal SET done_at = clock_timestamp(), objects = ARRAY[]::text [] WHERE removal_id = %(removal_id)s

-- name: still_wanted
SELECT DISTINCT o.object
FROM internal.intake AS i
CROSS JOIN LATERAL (VALUES (i.raw_object), (i.panel_object), (i.profile_object)) AS o (object)
WHERE o.object = any(%(objects)s)
UNION
SELECT b.yardstick FROM internal.accuracy_basis AS b WHERE b.yardstick = any(%(objects)s)
UNION
SELECT r.manifest_digest FROM internal.run AS r WHERE r.manifest_digest = any(%(objects)s)

-- name: mentioned
SELECT o.object FROM unnest(%(objects)s::text []) AS o (object)
WHERE
    EXISTS (SELECT FROM internal.run_step AS s WHERE position(o.object IN s.result::text) > 0)
    OR EXISTS (SELECT FROM internal.model_version AS m WHERE m.bundle_digest = o.object)

-- name: of_run
SELECT * FROM internal.removal WHERE %(run_id)s = any(runs) ORDER BY removal_id

-- name: instant
-- One instant for withdrawal and publication: readers never see a gap. Rising even if the clock was set back.
SELECT
    greatest(clock_timestamp(), max(greatest(published_at, withdrawn_at)) + interval '1 microsecond') AS at,
    1 + coalesce(max(revision) FILTER (WHERE origin = %(origin)s), 0) AS revision
FROM internal.publication
WHERE pipeline = %(pipeline)s

-- name: withdraw
UPDATE internal.publication SET withdrawn_at = %(at)s, reason = %(reason)s
WHERE pipeline = %(pipeline)s AND origin = %(origin)s AND withdrawn_at IS NULL

-- name: open
INSERT INTO internal.publication (pipeline, origin, revision, run_id, published_at)
VALUES (%(pipeline)s, %(origin)s, %(revision)s, %(run_id)s, %(at)s)

-- name: end_run
UPDATE internal.run SET state = 'published', reason = NULL, ended_at = %(at)s WHERE run_id = %(run_id)s

-- name: model_state
SELECT state FROM internal.model_version WHERE pipeline = %(pipeline)s AND version = %(version)s

-- name: current
SELECT p.*, r.model_version, r.input_digest, r.row_digest, r.tables_version
FROM internal.publication AS p
INNER JOIN internal.run AS r ON p.run_id = r.run_id
WHERE p.pipeline = %(pipeline)s AND p.origin = %(origin)s AND p.withdrawn_at IS NULL

-- name: before
SELECT p.*, r.model_version, r.input_digest, r.row_digest, r.tables_version
FROM internal.publication AS p
INNER JOIN internal.run AS r ON p.run_id = r.run_id
WHERE p.pipeline = %(pipeline)s AND p.origin < %(origin)s AND p.withdrawn_at IS NULL
ORDER BY p.origin DESC LIMIT 1

-- name: of_run
SELECT p.*, r.model_version, r.input_digest, r.row_digest, r.tables_version
FROM internal.publication AS p
INNER JOIN internal.run AS r ON p.run_id = r.run_id
WHERE p.run_id = %(run_id)s
ORDER BY p.publication_id

-- name: published
SELECT p.*, r.model_version, r.input_digest, r.row_digest, r.tables_version
FROM internal.publication AS p
INNER JOIN internal.run AS r ON p.run_id = r.run_id
WHERE
    p.pipeline = %(pipeline)s AND p.withdrawn_at IS NULL
    AND (%(first)s::date IS NULL OR p.origin >= %(first)s)
    AND (%(last)s::date IS NULL OR p.origin <= %(last)s)
ORDER BY p.origin

-- name: revisions
SELECT p.*, r.model_version, r.input_digest, r.row_digest, r.tables_version
FROM internal.publication AS p
INNER JOIN internal.run AS r ON p.run_id = r.run_id
WHERE p.pipeline = %(pipeline)s AND p.origin = %(origin)s
ORDER BY p.revision

-- name: withdrawn_inputs
SELECT
    p.run_id,
    p.revision,
    d.decision_id,
    d.who,
    d.reason
FROM internal.publication AS p
INNER JOIN internal.run AS r ON p.run_id = r.run_id
INNER JOIN internal.standing_decision AS d ON p.run_id = d.run_id AND d.kind = 'withdraw'
WHERE p.pipeline = %(pipeline)s AND p.origin = %(origin)s AND r.input_digest = %(input_digest)s
ORDER BY p.publication_id DESC LIMIT 1

-- name: earlier
SELECT p.*, r.model_version, r.input_digest, r.row_digest, r.tables_version
FROM internal.publication AS p
INNER JOIN internal.run AS r ON p.run_id = r.run_id
INNER JOIN internal.model_version AS m ON r.pipeline = m.pipeline AND r.model_version = m.version
WHERE
    p.pipeline = %(pipeline)s AND p.origin = %(origin)s AND p.run_id <> %(run_id)s
    AND m.state IN ('live', 'retired')
    AND NOT EXISTS (
        SELECT FROM internal.standing_decision AS d WHERE d.kind = 'withdraw' AND d.run_id = p.run_id
    )
ORDER BY p.publication_id DESC LIMIT 1

-- name: by_bundle
SELECT * FROM internal.model_version WHERE pipeline = %(pipeline)s AND bundle_digest = %(bundle_digest)s

-- name: register
INSERT INTO internal.model_version
(pipeline, version, bundle_digest, trained_through, training_digest, spec_digest, run_id, metrics)
SELECT
    %(pipeline)s,
    1 + coalesce(max(version), 0),
    %(bundle_digest)s,
    %(trained_through)s,
    %(training_digest)s,
    %(spec_digest)s,
    %(run_id)s,
    %(metrics)s
FROM internal.model_version
WHERE pipeline = %(pipeline)s
RETURNING *

-- name: get
SELECT * FROM internal.model_version WHERE pipeline = %(pipeline)s AND version = %(version)s

-- name: live
SELECT * FROM internal.model_version WHERE pipeline = %(pipeline)s AND state = 'live'

-- name: versions
SELECT * FROM internal.model_version WHERE pipeline = %(pipeline)s ORDER BY version DESC

-- name: set_state
UPDATE internal.model_version SET state = %(state)s WHERE pipeline = %(pipeline)s AND version = %(version)s

-- name: enter
INSERT INTO internal.model_event (pipeline, version, event, effective_from, who, why, evidence)
VALUES (%(pipeline)s, %(version)s, %(event)s, %(effective_from)s, %(who)s, %(why)s, %(evidence)s)

-- name: newest_effect
SELECT max(effective_from) AS effective_from FROM internal.model_event WHERE pipeline = %(pipeline)s

-- name: as_of
SELECT v.* FROM internal.model_event AS e
INNER JOIN internal.model_version AS v ON e.pipeline = v.pipeline AND e.version = v.version
WHERE e.pipeline = %(pipeline)s AND e.effective_from <= %(origin)s
ORDER BY e.effective_from DESC, e.event_id DESC LIMIT 1

-- name: ledger
SELECT * FROM internal.model_event WHERE pipeline = %(pipeline)s ORDER BY event_id

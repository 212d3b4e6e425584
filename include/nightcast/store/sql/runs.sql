-- name: open
INSERT INTO internal.run (pipeline, tables_version, origin, kind, mode, scheduler_run_id, attempt)
SELECT
    p.name,
    p.version,
    %(origin)s,
    %(kind)s,
    %(mode)s,
    %(scheduler_run_id)s,
    1 + coalesce(
        (SELECT max(r.attempt) FROM internal.run AS r WHERE r.pipeline = p.name AND r.kind = %(kind)s AND r.origin = %(origin)s), 0
    )
FROM internal.pipeline AS p
WHERE p.name = %(pipeline)s
RETURNING *

-- name: get
SELECT * FROM internal.run WHERE run_id = %(run_id)s

-- name: lock
SELECT * FROM internal.run WHERE run_id = %(run_id)s FOR NO KEY UPDATE

-- name: find
SELECT * FROM internal.run
WHERE pipeline = %(pipeline)s AND kind = %(kind)s AND scheduler_run_id = %(scheduler_run_id)s

-- name: latest
SELECT * FROM internal.run
WHERE pipeline = %(pipeline)s AND kind = %(kind)s AND origin = %(origin)s
ORDER BY attempt DESC LIMIT 1

-- name: reopen
UPDATE internal.run SET state = 'open', reason = NULL, ended_at = NULL WHERE run_id = %(run_id)s RETURNING *

-- name: set
UPDATE internal.run SET {assignments} WHERE run_id = %(run_id)s

-- name: finish
UPDATE internal.run SET state = %(state)s, reason = %(reason)s, ended_at = clock_timestamp()
WHERE run_id = %(run_id)s
RETURNING *

-- name: recent
SELECT * FROM internal.run
WHERE
    (%(pipeline)s::text IS NULL OR pipeline = %(pipeline)s)
    AND (%(kind)s::text IS NULL OR kind = %(kind)s)
    AND (%(origin)s::date IS NULL OR origin = %(origin)s)
ORDER BY run_id DESC LIMIT %(limit)s

-- name: newest_pin
SELECT environment ->> %(name)s AS value FROM internal.run
WHERE pipeline = %(pipeline)s AND tables_version = %(version)s AND environment ? %(name)s
ORDER BY run_id DESC LIMIT 1

-- name: left_open
SELECT * FROM internal.run AS r
WHERE
    r.state = 'open'
    AND r.opened_at < clock_timestamp() - %(age)s
    AND NOT EXISTS (
        SELECT FROM internal.run_step AS s
        WHERE s.run_id = r.run_id AND coalesce(s.ended_at, s.started_at) >= clock_timestamp() - %(age)s
    )
ORDER BY r.run_id

-- name: newest_origin
SELECT max(origin) AS origin FROM internal.run WHERE pipeline = %(pipeline)s AND kind IN ('night', 'import')

-- name: delete
DELETE FROM internal.check_result
WHERE run_id = %(run_id)s AND step = %(step)s AND (%(scopes)s::text [] IS NULL OR scope = any(%(scopes)s))

-- name: insert
INSERT INTO internal.check_result
(run_id, step, check_id, state, message, observed, limit_text, rows, bad_rows, scope, sample, seconds)
VALUES %s

-- name: of_run
SELECT
    step,
    check_id,
    scope,
    state,
    message,
    observed,
    limit_text AS "limit",
    rows,
    bad_rows,
    sample,
    seconds
FROM internal.check_result
WHERE run_id = %(run_id)s AND (%(step)s::text IS NULL OR step = %(step)s)
ORDER BY array_position(ARRAY['error', 'fail', 'quarantine', 'warn', 'waived', 'pass'], state), step, check_id, scope

-- name: delete_quarantined
DELETE FROM internal.quarantined_row WHERE run_id = %(run_id)s AND event_day = any(%(days)s::date [])

-- name: copy_quarantined
COPY internal.quarantined_row (run_id, pipeline, event_day, position, reasons, row) FROM STDIN (FORMAT csv)

-- name: quarantined
SELECT
    event_day,
    position,
    reasons,
    row
FROM internal.quarantined_row
WHERE run_id = %(run_id)s
ORDER BY event_day, position
LIMIT %(limit)s

-- name: reasons
SELECT
    u.reason,
    count(*) AS rows
FROM internal.quarantined_row AS q
CROSS JOIN LATERAL unnest(q.reasons) AS u (reason)
WHERE q.run_id = %(run_id)s
GROUP BY u.reason
ORDER BY rows DESC, reason

-- name: wanted
q.pipeline = %(pipeline)s
AND (%(first)s::date IS NULL OR q.event_day >= %(first)s)
AND (%(last)s::date IS NULL OR q.event_day <= %(last)s)
AND (%(run_id)s::bigint IS NULL OR q.run_id = %(run_id)s)
AND (%(check_id)s::text IS NULL OR %(check_id)s = any(q.reasons))
AND (%(discarded)s OR q.discarded_by IS NULL)

-- name: summary
SELECT
    u.check_id,
    count(*) AS rows,
    count(q.discarded_by) AS discarded,
    count(DISTINCT q.event_day) AS days,
    min(q.event_day) AS first_day,
    max(q.event_day) AS last_day
FROM internal.set_aside_row AS q
CROSS JOIN LATERAL unnest(q.reasons) AS u (check_id)
WHERE {wanted}
GROUP BY u.check_id
ORDER BY count(*) DESC, u.check_id

-- name: days
SELECT
    q.event_day,
    q.revision,
    q.run_id,
    q.day_state,
    count(*) AS rows,
    count(q.discarded_by) AS discarded,
    max(q.discarded_by) AS discarded_by
FROM internal.set_aside_row AS q
WHERE {wanted}
GROUP BY q.event_day, q.revision, q.run_id, q.day_state
ORDER BY q.event_day DESC

-- name: rows
SELECT
    q.event_day,
    q.run_id,
    q.position,
    q.reasons,
    q.row,
    q.discarded_by
FROM internal.set_aside_row AS q
WHERE {wanted}
ORDER BY q.event_day DESC, q.position ASC
LIMIT %(limit)s

-- name: reasons
SELECT
    position,
    reasons
FROM internal.quarantined_row
WHERE run_id = %(run_id)s AND event_day = %(event_day)s

-- name: known_to_run
SELECT i.* FROM internal.intake AS i
INNER JOIN internal.run AS taker ON i.run_id = taker.run_id
INNER JOIN internal.run AS asker ON asker.run_id = %(run_id)s
WHERE
    i.pipeline = %(pipeline)s AND i.event_day = %(event_day)s AND taker.origin <= asker.origin
    AND (i.pipeline, i.event_day, i.revision) NOT IN (SELECT * FROM internal.undone_intake)
ORDER BY i.revision DESC LIMIT 1

-- name: insert
INSERT INTO internal.intake (
    pipeline, event_day, revision, run_id, state, content_digest, raw_object, panel_key, panel_digest, panel_object,
    profile_object, pulled, accepted, quarantined, duplicates, totals, signals, restated
)
SELECT
    %(pipeline)s,
    %(event_day)s,
    1 + coalesce(max(revision), 0),
    %(run_id)s,
    %(state)s,
    %(content_digest)s,
    %(raw_object)s,
    %(panel_key)s,
    %(panel_digest)s,
    %(panel_object)s,
    %(profile_object)s,
    %(pulled)s,
    %(accepted)s,
    %(quarantined)s,
    %(duplicates)s,
    %(totals)s,
    %(signals)s,
    %(restated)s
FROM internal.intake
WHERE pipeline = %(pipeline)s AND event_day = %(event_day)s
RETURNING *

-- name: newest
SELECT DISTINCT ON (i.event_day) i.*
FROM internal.intake AS i
INNER JOIN internal.run AS r ON i.run_id = r.run_id
WHERE
    i.pipeline = %(pipeline)s
    AND (%(first)s::date IS NULL OR i.event_day >= %(first)s)
    AND (%(last)s::date IS NULL OR i.event_day <= %(last)s)
    AND (%(origin)s::date IS NULL OR r.origin <= %(origin)s)
    AND (%(states)s::text [] IS NULL OR i.state = any(%(states)s))
    AND (i.pipeline, i.event_day, i.revision) NOT IN (SELECT * FROM internal.undone_intake)
ORDER BY i.event_day ASC, i.revision DESC

-- name: last_day
SELECT max(i.event_day) AS last_day
FROM internal.intake AS i
INNER JOIN internal.run AS r ON i.run_id = r.run_id
WHERE
    i.pipeline = %(pipeline)s AND i.event_day <= %(last)s
    AND (%(origin)s::date IS NULL OR r.origin <= %(origin)s)

-- name: trailing
SELECT * FROM (
    SELECT DISTINCT ON (i.event_day) i.*
    FROM internal.intake AS i
    INNER JOIN internal.run AS r ON i.run_id = r.run_id
    WHERE
        i.pipeline = %(pipeline)s
        AND i.event_day < %(day)s
        AND extract(ISODOW FROM i.event_day) = extract(ISODOW FROM %(day)s::date)
        AND i.state = 'accepted'
        AND (%(since)s::date IS NULL OR i.event_day >= %(since)s)
        AND (%(origin)s::date IS NULL OR r.origin <= %(origin)s)
        AND (i.pipeline, i.event_day, i.revision) NOT IN (SELECT * FROM internal.undone_intake)
    ORDER BY i.event_day DESC, i.revision DESC
) AS accepted
ORDER BY event_day DESC LIMIT %(count)s

-- name: rejected_since
WITH newest AS (
    SELECT DISTINCT ON (i.event_day)
        i.event_day,
        i.state
    FROM internal.intake AS i
    INNER JOIN internal.run AS r ON i.run_id = r.run_id
    WHERE
        i.pipeline = %(pipeline)s
        AND i.event_day < %(day)s
        AND (%(origin)s::date IS NULL OR r.origin <= %(origin)s)
        AND (i.pipeline, i.event_day, i.revision) NOT IN (SELECT * FROM internal.undone_intake)
    ORDER BY i.event_day ASC, i.revision DESC
)

SELECT min(event_day) AS day FROM newest
WHERE
    state = 'rejected'
    AND event_day > coalesce((SELECT max(a.event_day) FROM newest AS a WHERE a.state = 'accepted'), '-infinity')

-- name: of_run
SELECT * FROM internal.intake WHERE run_id = %(run_id)s ORDER BY event_day, revision

-- name: history
SELECT * FROM internal.intake WHERE pipeline = %(pipeline)s AND event_day = %(event_day)s ORDER BY revision

-- name: counts
SELECT
    coalesce(sum(pulled), 0)::bigint AS pulled,
    coalesce(sum(accepted), 0)::bigint AS accepted,
    coalesce(sum(quarantined), 0)::bigint AS quarantined,
    coalesce(sum(duplicates), 0)::bigint AS duplicates
FROM internal.intake
WHERE run_id = %(run_id)s AND state IN ('accepted', 'closed')

-- name: objects
SELECT DISTINCT o.object
FROM internal.intake AS i
CROSS JOIN LATERAL (VALUES (i.raw_object), (i.panel_object), (i.profile_object)) AS o (object)
WHERE o.object IS NOT NULL

-- name: enter
INSERT INTO internal.decision (kind, pipeline, run_id, check_id, first_day, last_day, reason, who, undoes, evidence)
VALUES (
    %(kind)s, %(pipeline)s, %(run_id)s, %(check_id)s, %(first_day)s, %(last_day)s, %(reason)s, %(who)s, %(undoes)s,
    %(evidence)s
)
RETURNING *

-- name: get
SELECT * FROM internal.decision WHERE decision_id = %(decision_id)s

-- name: undone_by
SELECT * FROM internal.decision WHERE undoes = %(decision_id)s

-- name: standing
SELECT d.* FROM internal.decision AS d
INNER JOIN internal.standing_decision AS s ON d.decision_id = s.decision_id
WHERE
    d.pipeline = %(pipeline)s
    AND d.kind = %(kind)s
    AND (%(run_id)s::bigint IS NULL OR d.run_id = %(run_id)s)
ORDER BY d.decision_id DESC

-- name: of_pipeline
SELECT
    d.*,
    u.decision_id AS undone_by
FROM internal.decision AS d
LEFT JOIN internal.decision AS u ON d.decision_id = u.undoes
WHERE d.pipeline = %(pipeline)s
ORDER BY d.decision_id DESC LIMIT %(limit)s

-- name: of_run
SELECT
    d.*,
    u.decision_id AS undone_by
FROM internal.decision AS d
LEFT JOIN internal.decision AS u ON d.decision_id = u.undoes
LEFT JOIN internal.decision AS o ON d.undoes = o.decision_id
WHERE coalesce(o.run_id, d.run_id) = %(run_id)s
ORDER BY d.decision_id

-- name: levels
SELECT first_day FROM internal.standing_decision
WHERE pipeline = %(pipeline)s AND kind = 'accept_level'
ORDER BY first_day

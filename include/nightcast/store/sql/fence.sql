-- name: lock_highest
SELECT attempt FROM internal.run_step
WHERE run_id = %(run_id)s AND step = %(step)s AND shard = %(shard)s
ORDER BY attempt DESC LIMIT 1
FOR NO KEY UPDATE

-- name: run
SELECT 1 AS yes FROM internal.run WHERE run_id = %(run_id)s

-- name: claim
INSERT INTO internal.run_step (run_id, step, shard, attempt)
SELECT
    %(run_id)s,
    %(step)s,
    %(shard)s,
    1 + coalesce(max(attempt), 0)
FROM internal.run_step
WHERE run_id = %(run_id)s AND step = %(step)s AND shard = %(shard)s
RETURNING attempt

-- name: lose
UPDATE internal.run_step SET
    state = 'failed', ended_at = clock_timestamp(), error_class = 'Fenced',
    error = format('attempt %%s took over', %(attempt)s),
    seconds = extract(EPOCH FROM clock_timestamp() - started_at)
WHERE
    run_id = %(run_id)s AND step = %(step)s AND shard = %(shard)s AND attempt < %(attempt)s
    AND state = 'running'

-- name: lock_mine
SELECT attempt FROM internal.run_step
WHERE run_id = %(run_id)s AND step = %(step)s AND shard = %(shard)s AND attempt = %(attempt)s
FOR NO KEY UPDATE

-- name: highest
SELECT max(attempt) AS attempt FROM internal.run_step
WHERE run_id = %(run_id)s AND step = %(step)s AND shard = %(shard)s

-- name: end
UPDATE internal.run_step SET
    state = %(state)s, ended_at = clock_timestamp(), seconds = extract(EPOCH FROM clock_timestamp() - started_at),
    cpu_seconds = %(cpu_seconds)s, counts = %(counts)s, result = %(result)s,
    error_class = %(error_class)s, error = %(error)s
WHERE
    run_id = %(run_id)s AND step = %(step)s AND shard = %(shard)s AND attempt = %(attempt)s
    AND state = 'running'

-- name: result
SELECT result FROM internal.run_step
WHERE run_id = %(run_id)s AND step = %(step)s AND shard = %(shard)s AND state = 'done'
ORDER BY attempt DESC LIMIT 1

-- name: results
SELECT DISTINCT ON (shard)
    shard,
    result
FROM internal.run_step
WHERE run_id = %(run_id)s AND step = %(step)s AND state = 'done'
ORDER BY shard ASC, attempt DESC

-- name: attempts
SELECT * FROM internal.run_step WHERE run_id = %(run_id)s ORDER BY started_at, step, shard, attempt

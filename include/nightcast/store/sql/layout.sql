-- Tables and views of one pipeline. Names and columns are composed; `{…}` are identifiers and literals.

-- name: registered
SELECT * FROM internal.pipeline WHERE name = %(name)s

-- name: all_registered
SELECT * FROM internal.pipeline ORDER BY name

-- name: register
INSERT INTO internal.pipeline
(name, version, layout, title, owner, cron, timezone, fires_on, first_night, ready_by, late_arrival)
VALUES (
    %(name)s, %(version)s, %(layout)s, %(title)s, %(owner)s, %(cron)s, %(timezone)s, %(fires_on)s::smallint [],
    %(first_night)s, %(ready_by)s, %(late_arrival)s
)
ON CONFLICT (name) DO UPDATE SET
version = excluded.version, layout = excluded.layout, title = excluded.title, owner = excluded.owner,
cron = excluded.cron, timezone = excluded.timezone, fires_on = excluded.fires_on,
first_night = excluded.first_night, ready_by = excluded.ready_by, late_arrival = excluded.late_arrival,
applied_at = clock_timestamp()

-- name: columns
SELECT
    a.attname AS name,
    format_type(a.atttypid, a.atttypmod) AS type
FROM pg_attribute AS a
WHERE a.attrelid = to_regclass(%(relation)s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum

-- name: existing_views
SELECT c.relname AS name FROM pg_class AS c
WHERE c.relnamespace = 'forecast'::regnamespace AND c.relname = any(%(names)s)

-- name: create_prediction
CREATE TABLE {prediction} (
    run_id bigint NOT NULL,
    shard smallint NOT NULL,
    {keys},
    origin date NOT NULL,
    target_date date NOT NULL,
    horizon smallint NOT NULL CHECK (horizon > 0),
    mean float8 NOT NULL,
    {quantiles}
    source text NOT NULL DEFAULT 'model',
    PRIMARY KEY (run_id, {key_names}, target_date, origin),
    CHECK (target_date = origin + horizon)
) PARTITION BY RANGE (origin)

-- name: create_actual
CREATE TABLE {actual} (
    {keys},
    event_day date NOT NULL,
    value bigint NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz CHECK (known_to > known_from),
    run_id bigint NOT NULL REFERENCES internal.run,
    PRIMARY KEY (event_day, {key_names}, known_from)
)

-- name: create_actual_index
CREATE UNIQUE INDEX {index} ON {actual} (event_day, {key_names}) WHERE known_to IS NULL

-- name: add_quantile
ALTER TABLE {prediction} ADD COLUMN {column} float8

-- name: create_history
CREATE VIEW {history} AS
SELECT {columns}, r.model_version, p.source, p.run_id AS run, b.revision, b.published_at
FROM internal.publication AS b
INNER JOIN internal.run AS r ON b.run_id = r.run_id
INNER JOIN {prediction} AS p ON b.run_id = p.run_id AND b.origin = p.origin
WHERE b.pipeline = {pipeline} AND b.withdrawn_at IS NULL

-- name: create_latest
CREATE VIEW {latest} AS
SELECT {columns}, r.model_version, p.source, p.run_id AS run, b.revision, b.published_at
FROM internal.publication AS b
INNER JOIN internal.run AS r ON b.run_id = r.run_id
INNER JOIN {prediction} AS p ON b.run_id = p.run_id AND b.origin = p.origin
WHERE
    b.pipeline = {pipeline}
    AND b.withdrawn_at IS NULL
    AND b.origin = (
        SELECT max(n.origin) FROM internal.publication AS n
        INNER JOIN internal.run AS m ON n.run_id = m.run_id
        WHERE n.pipeline = {pipeline} AND n.withdrawn_at IS NULL AND m.tables_version = {version}
    )

-- name: create_as_of
CREATE FUNCTION {as_of}(moment timestamptz)
RETURNS TABLE ({typed}, model_version int, source text, run bigint, revision int, published_at timestamptz)
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
#variable_conflict use_column
DECLARE
    publishing bigint := hashtextextended('nightcast pipeline ' || {pipeline}, 0);
BEGIN
    -- A publication is dated under this lock: once we have had it, all that is dated before now can be seen.
    PERFORM pg_advisory_lock_shared(publishing);
    PERFORM pg_advisory_unlock_shared(publishing);
    RETURN QUERY
    SELECT {columns}, r.model_version, p.source, p.run_id, b.revision, b.published_at
    FROM internal.publication AS b
    INNER JOIN internal.run AS r ON b.run_id = r.run_id
    INNER JOIN {prediction} AS p ON b.run_id = p.run_id AND b.origin = p.origin
    WHERE
        b.pipeline = {pipeline}
        AND b.published_at <= moment
        AND (b.withdrawn_at IS NULL OR b.withdrawn_at > moment)
        AND b.origin = (
            SELECT max(n.origin) FROM internal.publication AS n
            INNER JOIN internal.run AS m ON n.run_id = m.run_id
            WHERE
                n.pipeline = {pipeline}
                AND n.published_at <= moment
                AND (n.withdrawn_at IS NULL OR n.withdrawn_at > moment)
                AND m.tables_version = {version}
        );
END $body$

-- name: create_vs_actual
CREATE VIEW {vs_actual} AS
SELECT
    {columns}, r.model_version, p.source, p.run_id AS run, b.revision, b.published_at, r.look_ahead,
    CASE WHEN d.event_day IS NOT NULL THEN coalesce(a.value, 0) END AS actual,
    CASE
        WHEN d.event_day IS NULL THEN NULL
        WHEN p.target_date <= taken.last_day - taken.late_arrival THEN 'final'
        ELSE 'provisional'
    END AS maturity
FROM internal.publication AS b
INNER JOIN internal.run AS r ON b.run_id = r.run_id
INNER JOIN {prediction} AS p ON b.run_id = p.run_id AND b.origin = p.origin
LEFT JOIN internal.actual_day AS d
    ON d.pipeline = {pipeline} AND d.tables_version = {version} AND p.target_date = d.event_day
LEFT JOIN {actual} AS a ON p.target_date = a.event_day AND {same_keys} AND a.known_to IS NULL
CROSS JOIN (
    SELECT
        max(i.event_day) AS last_day,
        (SELECT q.late_arrival FROM internal.pipeline AS q WHERE q.name = {pipeline}) AS late_arrival
    FROM internal.intake AS i
    WHERE i.pipeline = {pipeline}
) AS taken
WHERE b.pipeline = {pipeline} AND b.withdrawn_at IS NULL

-- name: create_accuracy_history
CREATE VIEW {accuracy_history} AS
SELECT
    s.origin, s.horizon_bucket, s.slice, s.model_version, s.method, s.metric, s.maturity, s.value AS metric_value,
    m.unit, s.reason, s.n, s.days_compared, s.days_forecast, s.sum_actual, m.definition, s.run_id AS run, s.computed_at
FROM internal.accuracy_score AS s
LEFT JOIN (VALUES {metrics}) AS m (metric, unit, definition) ON s.metric = m.metric
WHERE s.pipeline = {pipeline}

-- name: create_accuracy
CREATE VIEW {accuracy} AS
SELECT DISTINCT ON (h.origin, h.horizon_bucket, h.slice, h.method, h.metric) h.*
FROM {accuracy_history} AS h
INNER JOIN internal.publication AS b ON h.run = b.run_id
WHERE b.pipeline = {pipeline} AND b.withdrawn_at IS NULL
ORDER BY h.origin ASC, h.horizon_bucket ASC, h.slice ASC, h.method ASC, h.metric ASC, h.computed_at DESC

-- name: grant_tables
GRANT SELECT, INSERT ON {prediction}, {actual} TO {writer};
GRANT UPDATE (known_to) ON {actual} TO {writer};

-- name: grant_views
GRANT SELECT ON {latest}, {history}, {vs_actual}, {accuracy_history}, {accuracy} TO {writer}, {monitor}, {analyst};
REVOKE ALL ON FUNCTION {as_of}(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {as_of}(timestamptz) TO {writer}, {monitor}, {analyst}

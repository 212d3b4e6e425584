-- The few things that a night may do beyond reading and inserting, and the views that all pipelines share.

CREATE FUNCTION internal.ensure_partition(of_pipeline text, of_version int, of_origin date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    parent text;
    part text;
    from_day date := date_trunc('month', of_origin::timestamp)::date;
    to_day date := (date_trunc('month', of_origin::timestamp) + interval '1 month')::date;
BEGIN
    IF NOT EXISTS (SELECT FROM internal.pipeline WHERE name = of_pipeline AND of_version BETWEEN 1 AND version) THEN
        RAISE undefined_table USING MESSAGE = format('pipeline %s has no tables of version %s', of_pipeline, of_version);
    END IF;
    parent := 'prediction_' || of_pipeline || CASE WHEN of_version > 1 THEN '_v' || of_version ELSE '' END;
    part := parent || to_char(from_day, '"_"YYYY"_"MM');
    IF EXISTS (SELECT FROM pg_class WHERE relname = part AND relnamespace = 'internal'::regnamespace) THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('nightcast partition ' || parent, 0));
    -- Asked of the catalog itself: to_regclass may answer from before the wait.
    IF EXISTS (SELECT FROM pg_class WHERE relname = part AND relnamespace = 'internal'::regnamespace) THEN
        RETURN false;
    END IF;
    -- Made apart and constrained, so that attaching neither scans nor keeps readers waiting.
    EXECUTE format('CREATE TABLE internal.%I (LIKE internal.%I INCLUDING ALL)', part, parent);
    EXECUTE format('ALTER TABLE internal.%I ADD CONSTRAINT one_month CHECK (origin >= %L AND origin < %L)', part, from_day, to_day);
    EXECUTE format('ALTER TABLE internal.%I ATTACH PARTITION internal.%I FOR VALUES FROM (%L) TO (%L)', parent, part, from_day, to_day);
    EXECUTE format('ALTER TABLE internal.%I DROP CONSTRAINT one_month', part);
    EXECUTE format('COMMENT ON TABLE internal.%I IS %L', part, 'Predictions of ' || of_pipeline || ' with an origin in ' || to_char(from_day, 'YYYY-MM') || '.');
    RETURN true;
END $body$;
COMMENT ON FUNCTION internal.ensure_partition IS 'Makes the month of a prediction table that an origin falls into; false where it exists.';

CREATE FUNCTION internal.clear_shard(of_run bigint, of_shard smallint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    night internal.run;
    gone bigint;
BEGIN
    SELECT * INTO STRICT night FROM internal.run WHERE run_id = of_run FOR SHARE;  -- publish waits for us, or we for it
    IF night.state <> 'open' OR EXISTS (SELECT FROM internal.publication WHERE run_id = of_run) THEN
        RAISE object_not_in_prerequisite_state
        USING MESSAGE = format('run %s is %s; rows are written while a run is open', of_run, night.state);
    END IF;
    EXECUTE format(
        'DELETE FROM internal.%I WHERE run_id = $1 AND shard = $2 AND origin = $3',
        'prediction_' || night.pipeline || CASE WHEN night.tables_version > 1 THEN '_v' || night.tables_version ELSE '' END
    ) USING of_run, of_shard, night.origin;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $body$;
COMMENT ON FUNCTION internal.clear_shard IS 'Deletes a shard''s rows of a run that is open; refuses once it has ended or was ever published.';

CREATE VIEW forecast.changes AS
SELECT
    p.publication_id AS change,
    p.pipeline,
    p.origin,
    p.revision,
    p.run_id AS run,
    r.model_version,
    p.published_at,
    p.withdrawn_at,
    p.reason
FROM internal.publication AS p
INNER JOIN internal.run AS r ON p.run_id = r.run_id;
COMMENT ON VIEW forecast.changes IS 'One row per revision of a night: what to read again. A cursor for consumers.';
COMMENT ON COLUMN forecast.changes.change IS 'Number of the publication; rises with time within a pipeline.';
COMMENT ON COLUMN forecast.changes.pipeline IS 'The pipeline.';
COMMENT ON COLUMN forecast.changes.origin IS 'The night: the date that the forecast is made from.';
COMMENT ON COLUMN forecast.changes.revision IS 'Revision of the night, from 1.';
COMMENT ON COLUMN forecast.changes.run IS 'The run that made its rows.';
COMMENT ON COLUMN forecast.changes.model_version IS 'The model version that made its rows.';
COMMENT ON COLUMN forecast.changes.published_at IS 'When readers began to see it.';
COMMENT ON COLUMN forecast.changes.withdrawn_at IS 'When readers ceased to see it; null while they do.';
COMMENT ON COLUMN forecast.changes.reason IS 'Why it was withdrawn.';

CREATE VIEW forecast.freshness AS
SELECT
    p.name AS pipeline,
    p.title,
    p.owner,
    newest.origin AS last_published_origin,
    newest.published_at AS last_published_at,
    due.expected_origin,
    CASE
        WHEN due.expected_origin IS NOT NULL THEN coalesce(now() - due.late_since, interval '0')
    END AS late_by
FROM internal.pipeline AS p
LEFT JOIN LATERAL (
    SELECT
        b.origin,
        b.published_at
    FROM internal.publication AS b
    WHERE b.pipeline = p.name AND b.withdrawn_at IS NULL
    ORDER BY b.origin DESC LIMIT 1
) AS newest ON TRUE
LEFT JOIN LATERAL (
    SELECT
        max(night.origin) AS expected_origin,
        min(night.ready) FILTER (WHERE newest.origin IS NULL OR night.origin > newest.origin) AS late_since
    FROM (
        SELECT
            d::date AS origin,
            (d::date + 1 + p.ready_by) AT TIME ZONE p.timezone AS ready
        FROM generate_series(
            greatest(p.first_night, (now() AT TIME ZONE p.timezone)::date - 400)::timestamp,
            (now() AT TIME ZONE p.timezone)::date::timestamp,
            interval '1 day'
        ) AS d
        WHERE extract(ISODOW FROM d + interval '1 day') = any(p.fires_on)
    ) AS night
    WHERE night.ready <= now()
) AS due ON TRUE;
COMMENT ON VIEW forecast.freshness IS 'One row per pipeline: how recent what readers see is, and how late.';
COMMENT ON COLUMN forecast.freshness.pipeline IS 'The pipeline.';
COMMENT ON COLUMN forecast.freshness.title IS 'What is forecast, in one line.';
COMMENT ON COLUMN forecast.freshness.owner IS 'Team that answers for it.';
COMMENT ON COLUMN forecast.freshness.last_published_origin IS 'The latest night that is published.';
COMMENT ON COLUMN forecast.freshness.last_published_at IS 'When it was published.';
COMMENT ON COLUMN forecast.freshness.expected_origin IS 'The latest night that should be by now; null where none is due or the schedule is not by weekdays.';
COMMENT ON COLUMN forecast.freshness.late_by IS 'Time since the oldest unpublished night after the last published one was due; zero if none.';

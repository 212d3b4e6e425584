-- name: schemas
CREATE SCHEMA IF NOT EXISTS internal;
COMMENT ON SCHEMA internal IS 'Nightcast''s memory: written by nights, read through its command line and pages.';
CREATE SCHEMA IF NOT EXISTS forecast;
COMMENT ON SCHEMA forecast IS 'Published forecasts, for analysts: start with the view that has your pipeline''s name.'

-- name: is_migrated
SELECT 1 AS yes WHERE to_regclass('internal.alembic_version') IS NOT NULL

-- name: current
SELECT version_num FROM internal.alembic_version

-- name: grants
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA internal, forecast FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA internal, forecast FROM PUBLIC;
GRANT CONNECT ON DATABASE {database} TO {analyst};
GRANT USAGE ON SCHEMA forecast TO {analyst};
GRANT SELECT ON forecast.changes, forecast.freshness, forecast.unpublished TO {analyst};
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {writer};
GRANT USAGE ON SCHEMA internal, forecast TO {writer};
GRANT SELECT ON forecast.changes, forecast.freshness, forecast.unpublished TO {writer};
GRANT SELECT ON internal.pipeline, internal.alembic_version TO {writer};
GRANT SELECT ON internal.standing_decision, internal.undone_intake TO {writer}, {monitor};
GRANT SELECT ON internal.set_aside_row TO {writer};
GRANT SELECT ON internal.removal TO {writer}, {monitor};
GRANT SELECT, INSERT, UPDATE ON internal.run, internal.run_step, internal.actual_day TO {writer};
GRANT SELECT, INSERT, UPDATE ON internal.accuracy_basis TO {writer};
GRANT SELECT, INSERT ON internal.intake, internal.model_event, internal.accuracy_score, internal.decision TO {writer};
GRANT SELECT, INSERT, DELETE ON internal.check_result, internal.quarantined_row, internal.drift_score TO {writer};
GRANT SELECT, INSERT, UPDATE (state) ON internal.model_version TO {writer};
GRANT SELECT, INSERT, UPDATE (withdrawn_at, reason) ON internal.publication TO {writer};
GRANT EXECUTE ON FUNCTION internal.ensure_partition(text, int, date) TO {writer};
GRANT EXECUTE ON FUNCTION internal.clear_shard(bigint, smallint) TO {writer};
GRANT CONNECT ON DATABASE {database} TO {monitor};
GRANT USAGE ON SCHEMA internal, forecast TO {monitor};
GRANT SELECT ON forecast.changes, forecast.freshness, forecast.unpublished TO {monitor};
GRANT SELECT ON internal.pipeline, internal.alembic_version, internal.run, internal.run_step, internal.intake TO {monitor};
GRANT SELECT ON internal.publication, internal.model_version, internal.model_event, internal.actual_day TO {monitor};
GRANT SELECT ON internal.decision TO {monitor};
GRANT SELECT ON internal.drift_score, internal.accuracy_score, internal.accuracy_basis TO {monitor};
-- All but the sample, which quotes rows of the source.
GRANT SELECT (run_id, step, check_id, scope, state, message, observed, limit_text, rows, bad_rows, seconds, at)
ON internal.check_result TO {monitor}

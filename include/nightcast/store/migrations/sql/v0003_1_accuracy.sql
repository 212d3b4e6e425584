-- Accuracy in full: why a score has no value, how much of a night has come, and what the newest scores rest on.

ALTER TABLE internal.accuracy_score
ADD COLUMN reason text,
ADD COLUMN days_compared smallint CHECK (days_compared > 0),
ADD COLUMN days_forecast smallint CHECK (days_forecast >= days_compared),
ALTER COLUMN sum_actual DROP NOT NULL;

-- The one error that was measured until now is by day; and an error had no value for one reason only.
UPDATE internal.accuracy_score SET metric = 'wape_day' WHERE metric = 'wape';
UPDATE internal.accuracy_score SET reason = 'the actuals do not sum to more than 0' WHERE value IS NULL;
ALTER TABLE internal.accuracy_score ADD CONSTRAINT accuracy_score_value_or_reason CHECK (num_nulls(value, reason) = 1);

COMMENT ON COLUMN internal.accuracy_score.maturity IS 'final once every target day of the bucket has come and late rows can no longer change it; else provisional.';
COMMENT ON COLUMN internal.accuracy_score.sum_actual IS 'Sum of their actuals; null where no actual has part in the metric.';
COMMENT ON COLUMN internal.accuracy_score.reason IS 'Why there is no value.';
COMMENT ON COLUMN internal.accuracy_score.days_compared IS 'Target days whose actuals were recorded; null for scores of the first version.';
COMMENT ON COLUMN internal.accuracy_score.days_forecast IS 'Target days that were forecast; null for scores of the first version.';

ALTER TABLE internal.actual_day ADD COLUMN panel_digest internal.sha256;
COMMENT ON COLUMN internal.actual_day.panel_digest IS 'Digest of the panel that the actuals were read from: another one is recorded anew.';

CREATE TABLE internal.accuracy_basis (
    run_id bigint PRIMARY KEY REFERENCES internal.run,
    yardstick internal.sha256 NOT NULL,
    last_target date NOT NULL,
    truth internal.sha256 NOT NULL,
    computed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE internal.accuracy_basis IS 'One row per run that was scored: what its newest scores rest on. The same basis is not scored again.';
COMMENT ON COLUMN internal.accuracy_basis.run_id IS 'The run that made the forecast.';
COMMENT ON COLUMN internal.accuracy_basis.yardstick IS 'Lake object with seasonal naive, scales and slice numbers of its entities, from its own snapshot.';
COMMENT ON COLUMN internal.accuracy_basis.last_target IS 'The last target day of its forecast.';
COMMENT ON COLUMN internal.accuracy_basis.truth IS 'Digest of the recorded days and their panels, of what has come and is final, and of the night before.';
COMMENT ON COLUMN internal.accuracy_basis.computed_at IS 'When it was scored last.';

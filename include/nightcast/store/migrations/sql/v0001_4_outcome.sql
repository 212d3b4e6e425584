-- What was published, and how good it was.

CREATE TABLE internal.publication (
    publication_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline text COLLATE "C" NOT NULL REFERENCES internal.pipeline,
    origin date NOT NULL,
    revision int NOT NULL CHECK (revision >= 1),
    run_id bigint NOT NULL REFERENCES internal.run,
    published_at timestamptz NOT NULL,
    withdrawn_at timestamptz CHECK (withdrawn_at > published_at),
    reason text,
    UNIQUE (pipeline, origin, revision)
);
CREATE UNIQUE INDEX publication_one_open ON internal.publication (pipeline, origin) WHERE withdrawn_at IS NULL;
CREATE INDEX publication_run ON internal.publication (run_id);
COMMENT ON TABLE internal.publication IS 'One row per revision of a night. Rows of a run are visible while its publication is open.';
COMMENT ON COLUMN internal.publication.publication_id IS 'Number of the publication.';
COMMENT ON COLUMN internal.publication.pipeline IS 'The pipeline.';
COMMENT ON COLUMN internal.publication.origin IS 'The night.';
COMMENT ON COLUMN internal.publication.revision IS 'From 1 within the night.';
COMMENT ON COLUMN internal.publication.run_id IS 'The run whose rows readers see.';
COMMENT ON COLUMN internal.publication.published_at IS 'From this instant on; equal to the withdrawal of the revision before.';
COMMENT ON COLUMN internal.publication.withdrawn_at IS 'Up to, not including, this instant; null while open.';
COMMENT ON COLUMN internal.publication.reason IS 'Why it was withdrawn.';

CREATE TABLE internal.drift_score (
    pipeline text COLLATE "C" NOT NULL REFERENCES internal.pipeline,
    origin date NOT NULL,
    run_id bigint NOT NULL REFERENCES internal.run,
    reference text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('measure', 'attribute', 'feature', 'prediction')),
    column_name text NOT NULL,
    slice text NOT NULL DEFAULT '',
    statistic text NOT NULL,
    value float8,
    definition text NOT NULL,
    n_reference bigint NOT NULL CHECK (n_reference >= 0),
    n_current bigint NOT NULL CHECK (n_current >= 0),
    rank float8 CHECK (rank BETWEEN 0 AND 1),
    rank_n int CHECK (rank_n >= 0),
    PRIMARY KEY (run_id, origin, reference, kind, column_name, slice, statistic)
);
CREATE INDEX drift_score_night ON internal.drift_score (pipeline, origin);
COMMENT ON TABLE internal.drift_score IS 'One row per column, slice, reference and statistic of a run: how far tonight lies from the reference.';
COMMENT ON COLUMN internal.drift_score.pipeline IS 'The pipeline.';
COMMENT ON COLUMN internal.drift_score.origin IS 'The night.';
COMMENT ON COLUMN internal.drift_score.run_id IS 'The run.';
COMMENT ON COLUMN internal.drift_score.reference IS 'What tonight is compared with: same_weekday_8 or training.';
COMMENT ON COLUMN internal.drift_score.kind IS 'What the column is: measure | attribute | feature | prediction.';
COMMENT ON COLUMN internal.drift_score.column_name IS 'The column.';
COMMENT ON COLUMN internal.drift_score.slice IS 'Part of the rows; empty for all.';
COMMENT ON COLUMN internal.drift_score.statistic IS 'Name of the statistic.';
COMMENT ON COLUMN internal.drift_score.value IS 'Its value; null where it does not apply.';
COMMENT ON COLUMN internal.drift_score.definition IS 'Formula, base of the logarithm and bins.';
COMMENT ON COLUMN internal.drift_score.n_reference IS 'Values in the reference.';
COMMENT ON COLUMN internal.drift_score.n_current IS 'Values tonight.';
COMMENT ON COLUMN internal.drift_score.rank IS '(1 + past values at least as large) / (1 + past values): small is unusual; null without a past.';
COMMENT ON COLUMN internal.drift_score.rank_n IS 'How many past values the rank is among.';

CREATE TABLE internal.accuracy_score (
    pipeline text COLLATE "C" NOT NULL REFERENCES internal.pipeline,
    origin date NOT NULL,
    run_id bigint NOT NULL REFERENCES internal.run,
    horizon_bucket text NOT NULL,
    slice text NOT NULL DEFAULT '',
    model_version int,
    method text NOT NULL CHECK (method IN ('model', 'seasonal_naive')),
    metric text NOT NULL,
    maturity text NOT NULL CHECK (maturity IN ('provisional', 'final')),
    value float8,
    n bigint NOT NULL CHECK (n >= 0),
    sum_actual float8 NOT NULL,
    computed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, horizon_bucket, slice, method, metric, maturity, computed_at)
);
CREATE INDEX accuracy_score_night ON internal.accuracy_score (pipeline, origin);
COMMENT ON TABLE internal.accuracy_score IS 'One row per run, horizon bucket, slice, method, metric and maturity, each time it was computed anew.';
COMMENT ON COLUMN internal.accuracy_score.pipeline IS 'The pipeline.';
COMMENT ON COLUMN internal.accuracy_score.origin IS 'The night that made the forecast.';
COMMENT ON COLUMN internal.accuracy_score.run_id IS 'The run that made the forecast.';
COMMENT ON COLUMN internal.accuracy_score.horizon_bucket IS 'Days ahead, as a range such as 1-7.';
COMMENT ON COLUMN internal.accuracy_score.slice IS 'Part of the rows; empty for all.';
COMMENT ON COLUMN internal.accuracy_score.model_version IS 'The model version that made the forecast.';
COMMENT ON COLUMN internal.accuracy_score.method IS 'model, or seasonal_naive on the same rows.';
COMMENT ON COLUMN internal.accuracy_score.metric IS 'Name of the metric.';
COMMENT ON COLUMN internal.accuracy_score.maturity IS 'provisional, or final once late rows can no longer change the actuals.';
COMMENT ON COLUMN internal.accuracy_score.value IS 'The metric; null where it is undefined.';
COMMENT ON COLUMN internal.accuracy_score.n IS 'Forecasts compared.';
COMMENT ON COLUMN internal.accuracy_score.sum_actual IS 'Sum of their actuals.';
COMMENT ON COLUMN internal.accuracy_score.computed_at IS 'When it was computed; earlier values are kept.';

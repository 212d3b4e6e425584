-- What was taken in, and what checks said about it.

CREATE TABLE internal.intake (
    pipeline text COLLATE "C" NOT NULL REFERENCES internal.pipeline,
    event_day date NOT NULL,
    revision int NOT NULL CHECK (revision >= 1),
    run_id bigint NOT NULL REFERENCES internal.run,
    state text NOT NULL CHECK (state IN ('accepted', 'missing', 'closed', 'rejected')),
    content_digest internal.sha256,
    raw_object internal.sha256,
    panel_key internal.sha256,
    panel_digest internal.sha256,
    panel_object internal.sha256,
    profile_object internal.sha256,
    pulled bigint CHECK (pulled >= 0),
    accepted bigint CHECK (accepted >= 0),
    quarantined bigint CHECK (quarantined >= 0),
    duplicates bigint CHECK (duplicates >= 0),
    totals jsonb NOT NULL DEFAULT '{}',
    signals jsonb NOT NULL DEFAULT '{}',
    restated boolean NOT NULL DEFAULT false,
    known_from timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (pipeline, event_day, revision),
    CONSTRAINT intake_accepted_is_whole CHECK (
        state <> 'accepted'
        OR (
            num_nulls(content_digest, panel_digest, panel_object, pulled, accepted, quarantined, duplicates) = 0
            AND pulled = accepted + quarantined + duplicates
        )
    )
);
CREATE INDEX intake_run ON internal.intake (run_id);
COMMENT ON TABLE internal.intake IS 'One row per event day and revision: which data we had when. Never updated.';
COMMENT ON COLUMN internal.intake.pipeline IS 'The pipeline.';
COMMENT ON COLUMN internal.intake.event_day IS 'The day on which the rows happened.';
COMMENT ON COLUMN internal.intake.revision IS 'From 1; a day that was taken in again and differed has the next one.';
COMMENT ON COLUMN internal.intake.run_id IS 'The run that took the revision in.';
COMMENT ON COLUMN internal.intake.state IS 'accepted | missing (open, without rows) | closed (by the calendar) | rejected (by a check).';
COMMENT ON COLUMN internal.intake.content_digest IS 'Digest of the day''s canonical typed rows.';
COMMENT ON COLUMN internal.intake.raw_object IS 'Lake object with the rows.';
COMMENT ON COLUMN internal.intake.panel_key IS 'Digest of everything that the panel is made from.';
COMMENT ON COLUMN internal.intake.panel_digest IS 'Digest of the day''s panel rows.';
COMMENT ON COLUMN internal.intake.panel_object IS 'Lake object with the panel rows; a month''s object may hold many days.';
COMMENT ON COLUMN internal.intake.profile_object IS 'Lake object with the day''s profile for drift.';
COMMENT ON COLUMN internal.intake.pulled IS 'Rows read from the source.';
COMMENT ON COLUMN internal.intake.accepted IS 'Of these, rows that measures are made of.';
COMMENT ON COLUMN internal.intake.quarantined IS 'Of these, rows set aside with a reason.';
COMMENT ON COLUMN internal.intake.duplicates IS 'Of these, rows that had arrived before.';
COMMENT ON COLUMN internal.intake.totals IS 'Sum of each measure over all entities.';
COMMENT ON COLUMN internal.intake.signals IS 'Numbers about the day as a whole, compared with later days.';
COMMENT ON COLUMN internal.intake.restated IS 'An earlier revision of the day had other rows.';
COMMENT ON COLUMN internal.intake.known_from IS 'When this revision was taken in.';

CREATE TABLE internal.check_result (
    run_id bigint NOT NULL REFERENCES internal.run,
    step text NOT NULL,
    check_id text NOT NULL,
    scope text NOT NULL DEFAULT '',
    state text NOT NULL CHECK (state IN ('pass', 'warn', 'quarantine', 'fail', 'error', 'waived')),
    message text NOT NULL,
    observed text,
    limit_text text,
    rows bigint NOT NULL CHECK (rows >= 0),
    bad_rows bigint NOT NULL CHECK (bad_rows >= 0),
    sample jsonb NOT NULL DEFAULT '[]',
    seconds float8 NOT NULL CHECK (seconds >= 0),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, step, check_id, scope)
);
COMMENT ON TABLE internal.check_result IS 'One row per check of a run and scope.';
COMMENT ON COLUMN internal.check_result.run_id IS 'The run.';
COMMENT ON COLUMN internal.check_result.step IS 'The step that judged.';
COMMENT ON COLUMN internal.check_result.check_id IS 'Id of the check, as declared.';
COMMENT ON COLUMN internal.check_result.scope IS 'Empty for the whole night, else an event day or a month of an import.';
COMMENT ON COLUMN internal.check_result.state IS 'pass | warn | quarantine | fail | error (could not run: stops) | waived.';
COMMENT ON COLUMN internal.check_result.message IS 'What was found and what was expected, in one sentence.';
COMMENT ON COLUMN internal.check_result.observed IS 'What was found, alone.';
COMMENT ON COLUMN internal.check_result.limit_text IS 'What was expected, alone.';
COMMENT ON COLUMN internal.check_result.rows IS 'Rows looked at.';
COMMENT ON COLUMN internal.check_result.bad_rows IS 'Rows that failed.';
COMMENT ON COLUMN internal.check_result.sample IS 'A few offending rows or values.';
COMMENT ON COLUMN internal.check_result.seconds IS 'Wall seconds of the check.';
COMMENT ON COLUMN internal.check_result.at IS 'When the result was stored.';

CREATE TABLE internal.quarantined_row (
    run_id bigint NOT NULL REFERENCES internal.run,
    pipeline text COLLATE "C" NOT NULL REFERENCES internal.pipeline,
    event_day date NOT NULL,
    position int NOT NULL CHECK (position >= 0),
    reasons text [] NOT NULL CHECK (cardinality(reasons) > 0),
    row jsonb NOT NULL,
    PRIMARY KEY (run_id, event_day, position)
);
COMMENT ON TABLE internal.quarantined_row IS 'One row per source row that was set aside, with every reason.';
COMMENT ON COLUMN internal.quarantined_row.run_id IS 'The run that set it aside.';
COMMENT ON COLUMN internal.quarantined_row.pipeline IS 'The pipeline.';
COMMENT ON COLUMN internal.quarantined_row.event_day IS 'The day on which it happened.';
COMMENT ON COLUMN internal.quarantined_row.position IS 'Its place among the day''s rows in canonical order, from 0.';
COMMENT ON COLUMN internal.quarantined_row.reasons IS 'Ids of all checks that it failed.';
COMMENT ON COLUMN internal.quarantined_row.row IS 'The row as it was read.';

CREATE TABLE internal.actual_day (
    pipeline text COLLATE "C" NOT NULL REFERENCES internal.pipeline,
    tables_version int NOT NULL CHECK (tables_version >= 1),
    event_day date NOT NULL,
    run_id bigint NOT NULL REFERENCES internal.run,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (pipeline, tables_version, event_day)
);
COMMENT ON TABLE internal.actual_day IS 'One row per day whose actuals are recorded: there, a key without a row means zero.';
COMMENT ON COLUMN internal.actual_day.pipeline IS 'The pipeline.';
COMMENT ON COLUMN internal.actual_day.tables_version IS 'Version of the pipeline''s tables.';
COMMENT ON COLUMN internal.actual_day.event_day IS 'The day.';
COMMENT ON COLUMN internal.actual_day.run_id IS 'The run that recorded it last.';
COMMENT ON COLUMN internal.actual_day.recorded_at IS 'When that was.';

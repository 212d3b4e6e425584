-- Pipelines, runs and their steps.

REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE DOMAIN internal.sha256 AS text COLLATE "C" CHECK (VALUE ~ '^[0-9a-f]{64}$');
COMMENT ON DOMAIN internal.sha256 IS 'SHA-256 in 64 lower-case hexadecimal digits.';

CREATE TABLE internal.pipeline (
    name text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
    version int NOT NULL CHECK (version >= 1),
    layout jsonb NOT NULL,
    title text NOT NULL,
    owner text NOT NULL,
    cron text NOT NULL,
    timezone text NOT NULL,
    fires_on smallint [],
    first_night date NOT NULL,
    ready_by time NOT NULL,
    late_arrival int NOT NULL CHECK (late_arrival >= 0),
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE internal.pipeline IS 'One row per pipeline whose tables were made by `nightcast db apply`.';
COMMENT ON COLUMN internal.pipeline.name IS 'The name of the pipeline''s folder, and of its tables and views.';
COMMENT ON COLUMN internal.pipeline.version IS 'Version of the tables, from the spec; another key, type or grain needs the next one.';
COMMENT ON COLUMN internal.pipeline.layout IS 'Shape the tables and views were made for: keys, target, digest of the views.';
COMMENT ON COLUMN internal.pipeline.title IS 'What is forecast, in one line.';
COMMENT ON COLUMN internal.pipeline.owner IS 'Team that answers for the pipeline.';
COMMENT ON COLUMN internal.pipeline.cron IS 'When nights start, as a cron expression in `timezone`.';
COMMENT ON COLUMN internal.pipeline.timezone IS 'Time zone of the schedule and of the source''s wall time.';
COMMENT ON COLUMN internal.pipeline.fires_on IS 'ISO weekdays (1 = Monday) on which the cron fires; null where weekdays alone do not say.';
COMMENT ON COLUMN internal.pipeline.first_night IS 'The first origin.';
COMMENT ON COLUMN internal.pipeline.ready_by IS 'Local time on the day after the origin by which readers expect the night.';
COMMENT ON COLUMN internal.pipeline.late_arrival IS 'Days after which an actual counts as final.';
COMMENT ON COLUMN internal.pipeline.applied_at IS 'When `nightcast db apply` last changed this row.';

CREATE TABLE internal.run (
    run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline text COLLATE "C" NOT NULL REFERENCES internal.pipeline,
    tables_version int NOT NULL CHECK (tables_version >= 1),
    origin date NOT NULL,
    kind text NOT NULL CHECK (kind IN ('night', 'import', 'training', 'reproduce', 'try')),
    mode text NOT NULL CHECK (mode IN ('known_then', 'known_now')),
    attempt int NOT NULL CHECK (attempt >= 1),
    scheduler_run_id text,
    state text NOT NULL DEFAULT 'open' CHECK (
        state IN ('open', 'published', 'unchanged', 'superseded', 'stopped', 'failed', 'too_old', 'done')
    ),
    reason text,
    spec_digest internal.sha256,
    code_commit text,
    code_dirty boolean,
    model_version int,
    manifest_digest internal.sha256,
    input_digest internal.sha256,
    row_digest internal.sha256,
    look_ahead boolean NOT NULL DEFAULT false,
    window_start date,
    window_end date,
    pulled bigint CHECK (pulled >= 0),
    accepted bigint CHECK (accepted >= 0),
    quarantined bigint CHECK (quarantined >= 0),
    duplicates bigint CHECK (duplicates >= 0),
    expected bigint CHECK (expected >= 0),
    predictions bigint CHECK (predictions >= 0),
    environment jsonb NOT NULL DEFAULT '{}',
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    UNIQUE (pipeline, kind, origin, attempt),
    CONSTRAINT run_ends CHECK ((state = 'open') = (ended_at IS NULL)),
    CONSTRAINT run_window CHECK (window_start <= window_end),
    CONSTRAINT run_publishes_nights CHECK (kind = 'night' OR state NOT IN ('published', 'unchanged', 'superseded', 'too_old')),
    CONSTRAINT run_is_pinned CHECK (
        state <> 'published'
        OR num_nulls(spec_digest, model_version, manifest_digest, input_digest, row_digest) = 0
    ),
    CONSTRAINT run_reconciles CHECK (
        state <> 'published'
        OR (
            num_nulls(pulled, accepted, quarantined, duplicates, expected, predictions) = 0
            AND pulled = accepted + quarantined + duplicates
            AND expected = predictions
        )
    )
);
CREATE UNIQUE INDEX run_scheduler ON internal.run (pipeline, kind, scheduler_run_id) WHERE scheduler_run_id IS NOT NULL;
CREATE INDEX run_recent ON internal.run (opened_at);
COMMENT ON TABLE internal.run IS 'One row per attempt at a night (or import, training, reproduction, trial): pins, counts, state.';
COMMENT ON COLUMN internal.run.run_id IS 'Number of the run; also the version of its rows.';
COMMENT ON COLUMN internal.run.pipeline IS 'The pipeline that ran.';
COMMENT ON COLUMN internal.run.tables_version IS 'Version of the pipeline''s tables that the rows of this run are in.';
COMMENT ON COLUMN internal.run.origin IS 'The date that the forecast is made from: the last event day that it may see.';
COMMENT ON COLUMN internal.run.kind IS 'Why the run exists. Only a night can publish.';
COMMENT ON COLUMN internal.run.mode IS 'Which truth about past days it reads: as known then, or as known now.';
COMMENT ON COLUMN internal.run.attempt IS 'Which run of this kind and origin it is, from 1.';
COMMENT ON COLUMN internal.run.scheduler_run_id IS 'The scheduler''s own name of the run; null when started from a shell.';
COMMENT ON COLUMN internal.run.state IS 'open, then published | unchanged | superseded | stopped | failed | too_old | done.';
COMMENT ON COLUMN internal.run.reason IS 'Why it ended as it did, for people.';
COMMENT ON COLUMN internal.run.spec_digest IS 'Digest of the pipeline''s folder as pinned for the run.';
COMMENT ON COLUMN internal.run.code_commit IS 'Commit of the engine''s code.';
COMMENT ON COLUMN internal.run.code_dirty IS 'Whether the code differed from that commit.';
COMMENT ON COLUMN internal.run.model_version IS 'The pinned model version of the pipeline.';
COMMENT ON COLUMN internal.run.manifest_digest IS 'Digest of the data snapshot that was used.';
COMMENT ON COLUMN internal.run.input_digest IS 'Digest of snapshot, model bundle and spec together: equal inputs give equal rows.';
COMMENT ON COLUMN internal.run.row_digest IS 'Digest of the predicted rows.';
COMMENT ON COLUMN internal.run.look_ahead IS 'The model was trained past the origin: left out of accuracy and baselines.';
COMMENT ON COLUMN internal.run.window_start IS 'First event day that was read.';
COMMENT ON COLUMN internal.run.window_end IS 'Last event day that was read.';
COMMENT ON COLUMN internal.run.pulled IS 'Rows read from the source in revisions that this run took in.';
COMMENT ON COLUMN internal.run.accepted IS 'Of the pulled rows, those that measures are made of.';
COMMENT ON COLUMN internal.run.quarantined IS 'Of the pulled rows, those set aside with a reason.';
COMMENT ON COLUMN internal.run.duplicates IS 'Of the pulled rows, those that had arrived before.';
COMMENT ON COLUMN internal.run.expected IS 'Expected keys times open target days.';
COMMENT ON COLUMN internal.run.predictions IS 'Predictions that are there.';
COMMENT ON COLUMN internal.run.environment IS 'Library versions, lock digest and CPU class.';
COMMENT ON COLUMN internal.run.opened_at IS 'When the run was opened.';
COMMENT ON COLUMN internal.run.ended_at IS 'When it came to its state; null while open.';

CREATE TABLE internal.run_step (
    run_id bigint NOT NULL REFERENCES internal.run,
    step text NOT NULL,
    shard smallint NOT NULL CHECK (shard >= 0),
    attempt int NOT NULL CHECK (attempt >= 1),
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'stopped', 'failed', 'skipped')),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    seconds float8 CHECK (seconds >= 0),
    cpu_seconds float8 CHECK (cpu_seconds >= 0),
    counts jsonb NOT NULL DEFAULT '{}',
    result jsonb,
    error_class text,
    error text,
    PRIMARY KEY (run_id, step, shard, attempt),
    CONSTRAINT run_step_ends CHECK ((state = 'running') = (ended_at IS NULL))
);
COMMENT ON TABLE internal.run_step IS 'One row per attempt at a step of a run. The highest attempt owns the step''s rows.';
COMMENT ON COLUMN internal.run_step.run_id IS 'The run.';
COMMENT ON COLUMN internal.run_step.step IS 'Name of the step, as in the DAG.';
COMMENT ON COLUMN internal.run_step.shard IS 'Range of entities; 0 where the step has one shard.';
COMMENT ON COLUMN internal.run_step.attempt IS 'From 1; a lower attempt than the highest may write nothing.';
COMMENT ON COLUMN internal.run_step.state IS 'running | done | stopped (a gate said no) | failed | skipped.';
COMMENT ON COLUMN internal.run_step.started_at IS 'When the attempt was claimed.';
COMMENT ON COLUMN internal.run_step.ended_at IS 'When it ended; null while running.';
COMMENT ON COLUMN internal.run_step.seconds IS 'Wall seconds from claim to end.';
COMMENT ON COLUMN internal.run_step.cpu_seconds IS 'CPU seconds of the process.';
COMMENT ON COLUMN internal.run_step.counts IS 'Numbers for people: rows, days, bytes.';
COMMENT ON COLUMN internal.run_step.result IS 'What the step hands to the next ones.';
COMMENT ON COLUMN internal.run_step.error_class IS 'Class of the error that ended it; its runbook has that name.';
COMMENT ON COLUMN internal.run_step.error IS 'The error''s message.';

COMMENT ON TABLE internal.alembic_version IS 'Which migration this database is at.';
COMMENT ON COLUMN internal.alembic_version.version_num IS 'Name of the newest migration that was applied.';

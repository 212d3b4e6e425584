-- Model versions and the ledger of what was decided about them.

CREATE TABLE internal.model_version (
    pipeline text COLLATE "C" NOT NULL REFERENCES internal.pipeline,
    version int NOT NULL CHECK (version >= 1),
    bundle_digest internal.sha256 NOT NULL,
    state text NOT NULL DEFAULT 'candidate' CHECK (state IN ('candidate', 'canary', 'live', 'retired', 'rejected')),
    trained_through date NOT NULL,
    training_digest internal.sha256 NOT NULL,
    spec_digest internal.sha256 NOT NULL,
    run_id bigint REFERENCES internal.run,
    metrics jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (pipeline, version),
    UNIQUE (pipeline, bundle_digest)
);
CREATE UNIQUE INDEX model_version_one_live ON internal.model_version (pipeline) WHERE state = 'live';
ALTER TABLE internal.run ADD CONSTRAINT run_model
FOREIGN KEY (pipeline, model_version) REFERENCES internal.model_version (pipeline, version);
COMMENT ON TABLE internal.model_version IS 'One row per registered model version. All but its state is immutable.';
COMMENT ON COLUMN internal.model_version.pipeline IS 'The pipeline.';
COMMENT ON COLUMN internal.model_version.version IS 'From 1, in the order of registration.';
COMMENT ON COLUMN internal.model_version.bundle_digest IS 'Lake object with the model bundle.';
COMMENT ON COLUMN internal.model_version.state IS 'candidate | canary | live (at most one) | retired | rejected (never published again).';
COMMENT ON COLUMN internal.model_version.trained_through IS 'Last event day that the training could see.';
COMMENT ON COLUMN internal.model_version.training_digest IS 'Digest of the data snapshot that it was trained on.';
COMMENT ON COLUMN internal.model_version.spec_digest IS 'Digest of the pipeline''s folder that it was trained with.';
COMMENT ON COLUMN internal.model_version.run_id IS 'The training run; null for an imported bundle.';
COMMENT ON COLUMN internal.model_version.metrics IS 'Accuracy on days that the training did not see.';
COMMENT ON COLUMN internal.model_version.created_at IS 'When it was registered.';

CREATE TABLE internal.model_event (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline text COLLATE "C" NOT NULL,
    version int NOT NULL,
    event text NOT NULL CHECK (event IN ('register', 'gate', 'canary', 'promote', 'abort', 'roll_back', 'retire')),
    effective_from date,
    who text NOT NULL,
    why text NOT NULL,
    evidence jsonb NOT NULL DEFAULT '{}',
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (pipeline, version) REFERENCES internal.model_version,
    CONSTRAINT model_event_takes_effect CHECK ((event IN ('promote', 'roll_back')) = (effective_from IS NOT NULL))
);
CREATE INDEX model_event_live ON internal.model_event (pipeline, effective_from, event_id)
WHERE effective_from IS NOT NULL;
COMMENT ON TABLE internal.model_event IS 'Append-only ledger of decisions about model versions.';
COMMENT ON COLUMN internal.model_event.event_id IS 'In the order of the decisions.';
COMMENT ON COLUMN internal.model_event.pipeline IS 'The pipeline.';
COMMENT ON COLUMN internal.model_event.version IS 'The model version that it is about.';
COMMENT ON COLUMN internal.model_event.event IS 'register | gate | canary | promote | abort | roll_back | retire.';
COMMENT ON COLUMN internal.model_event.effective_from IS 'First origin that the version serves; of promote and roll_back only.';
COMMENT ON COLUMN internal.model_event.who IS 'Person or step that decided.';
COMMENT ON COLUMN internal.model_event.why IS 'The reason.';
COMMENT ON COLUMN internal.model_event.evidence IS 'Numbers and ids that the decision rests on.';
COMMENT ON COLUMN internal.model_event.at IS 'When it was decided.';

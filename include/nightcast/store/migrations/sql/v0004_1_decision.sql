-- The ledger of what people decide about nights.

CREATE TABLE internal.decision (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('waive', 'accept_level', 'replay', 'discard', 'withdraw', 'undo')),
    pipeline text COLLATE "C" NOT NULL REFERENCES internal.pipeline,
    run_id bigint REFERENCES internal.run,
    check_id text,
    first_day date,
    last_day date,
    reason text NOT NULL CHECK (reason ~ '\S'),
    who text NOT NULL CHECK (who ~ '\S'),
    undoes bigint UNIQUE REFERENCES internal.decision,
    evidence jsonb NOT NULL DEFAULT '{}',
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT decision_days CHECK (first_day <= last_day),
    CONSTRAINT decision_undoes_one CHECK ((kind = 'undo') = (undoes IS NOT NULL)),
    CONSTRAINT decision_is_whole CHECK (
        CASE kind
            WHEN 'waive' THEN num_nulls(run_id, check_id) = 0
            WHEN 'accept_level' THEN first_day IS NOT NULL
            WHEN 'replay' THEN num_nulls(run_id, first_day, last_day) = 0
            WHEN 'discard' THEN num_nulls(first_day, last_day) = 0
            WHEN 'withdraw' THEN run_id IS NOT NULL
            ELSE true
        END
    )
);
CREATE INDEX decision_run ON internal.decision (run_id);
CREATE INDEX decision_pipeline ON internal.decision (pipeline, kind);
COMMENT ON TABLE internal.decision IS 'Append-only ledger of decisions that people took about nights and their data.';
COMMENT ON COLUMN internal.decision.decision_id IS 'In the order of the decisions.';
COMMENT ON COLUMN internal.decision.kind IS 'waive | accept_level | replay | discard | withdraw | undo.';
COMMENT ON COLUMN internal.decision.pipeline IS 'The pipeline.';
COMMENT ON COLUMN internal.decision.run_id IS 'The run that was decided about; of a replay, the run that took the days in.';
COMMENT ON COLUMN internal.decision.check_id IS 'The check that was waived, or whose rows were discarded or replayed; null for all of them.';
COMMENT ON COLUMN internal.decision.first_day IS 'First event day that it concerns; of accept_level the first day of the new level.';
COMMENT ON COLUMN internal.decision.last_day IS 'Last event day that it concerns; null for an open end, or where no day is concerned.';
COMMENT ON COLUMN internal.decision.reason IS 'Why, in the words of who decided.';
COMMENT ON COLUMN internal.decision.who IS 'Who decided: an Airflow user, a user of the machine, or who was named.';
COMMENT ON COLUMN internal.decision.undoes IS 'The earlier decision that no longer stands; of undo only.';
COMMENT ON COLUMN internal.decision.evidence IS 'Numbers and ids that it rests on, or that it changed.';
COMMENT ON COLUMN internal.decision.at IS 'When it was decided.';

CREATE VIEW internal.standing_decision AS
SELECT
    d.decision_id,
    d.kind,
    d.pipeline,
    d.run_id,
    d.check_id,
    d.first_day,
    d.last_day,
    d.reason,
    d.who,
    d.at
FROM internal.decision AS d
WHERE d.kind <> 'undo' AND NOT EXISTS (SELECT FROM internal.decision AS u WHERE u.undoes = d.decision_id);
COMMENT ON VIEW internal.standing_decision IS 'The decisions that stand: those that no other one undoes.';
COMMENT ON COLUMN internal.standing_decision.decision_id IS 'As in decision.';
COMMENT ON COLUMN internal.standing_decision.kind IS 'waive | accept_level | replay | discard | withdraw.';
COMMENT ON COLUMN internal.standing_decision.pipeline IS 'The pipeline.';
COMMENT ON COLUMN internal.standing_decision.run_id IS 'As in decision.';
COMMENT ON COLUMN internal.standing_decision.check_id IS 'As in decision.';
COMMENT ON COLUMN internal.standing_decision.first_day IS 'As in decision.';
COMMENT ON COLUMN internal.standing_decision.last_day IS 'As in decision.';
COMMENT ON COLUMN internal.standing_decision.reason IS 'Why.';
COMMENT ON COLUMN internal.standing_decision.who IS 'Who decided.';
COMMENT ON COLUMN internal.standing_decision.at IS 'When.';

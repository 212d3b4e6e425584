-- Runs that take kept rows in again, and what no longer counts once a decision is undone.

ALTER TABLE internal.run
DROP CONSTRAINT run_kind_check,
ADD CONSTRAINT run_kind_check CHECK (kind IN ('night', 'import', 'training', 'reproduce', 'try', 'replay'));

CREATE VIEW internal.undone_intake AS
SELECT
    i.pipeline,
    i.event_day,
    i.revision
FROM internal.intake AS i
INNER JOIN internal.decision AS d
    ON i.run_id = d.run_id AND i.event_day BETWEEN d.first_day AND d.last_day AND i.known_from >= d.at
INNER JOIN internal.decision AS u ON d.decision_id = u.undoes AND i.known_from < u.at
WHERE d.kind IN ('waive', 'replay');
COMMENT ON VIEW internal.undone_intake IS 'Revisions that were taken in because of a decision that was undone later: they count no more.';
COMMENT ON COLUMN internal.undone_intake.pipeline IS 'The pipeline.';
COMMENT ON COLUMN internal.undone_intake.event_day IS 'The day on which the rows happened.';
COMMENT ON COLUMN internal.undone_intake.revision IS 'Its revision in intake.';

-- The rows that are set aside now, and which of them somebody dealt with.

CREATE VIEW internal.set_aside_row AS
SELECT
    u.pipeline,
    u.event_day,
    u.revision,
    u.state AS day_state,
    q.run_id,
    q.position,
    q.reasons,
    q.row,
    (
        SELECT max(d.decision_id) FROM internal.standing_decision AS d
        WHERE
            d.kind = 'discard'
            AND d.pipeline = u.pipeline
            AND u.event_day BETWEEN d.first_day AND d.last_day
            AND (d.check_id IS NULL OR d.check_id = any(q.reasons))
            AND d.at >= u.known_from
    ) AS discarded_by
FROM (
    SELECT DISTINCT ON (i.pipeline, i.event_day) i.* FROM internal.intake AS i
    WHERE (i.pipeline, i.event_day, i.revision) NOT IN (SELECT * FROM internal.undone_intake)
    ORDER BY i.pipeline ASC, i.event_day ASC, i.state = 'accepted' DESC, i.revision DESC
) AS u
INNER JOIN internal.quarantined_row AS q ON u.run_id = q.run_id AND u.event_day = q.event_day;
COMMENT ON VIEW internal.set_aside_row IS 'Rows that are set aside in the revisions in use: of each day the newest accepted one, else the newest.';
COMMENT ON COLUMN internal.set_aside_row.pipeline IS 'The pipeline.';
COMMENT ON COLUMN internal.set_aside_row.event_day IS 'The day on which it happened.';
COMMENT ON COLUMN internal.set_aside_row.revision IS 'The revision of the day that is in use.';
COMMENT ON COLUMN internal.set_aside_row.day_state IS 'accepted, or rejected: then none of the day''s rows are used.';
COMMENT ON COLUMN internal.set_aside_row.run_id IS 'The run that set it aside.';
COMMENT ON COLUMN internal.set_aside_row.position IS 'Its place among the day''s rows in canonical order, from 0.';
COMMENT ON COLUMN internal.set_aside_row.reasons IS 'Ids of all checks that it failed.';
COMMENT ON COLUMN internal.set_aside_row.row IS 'The row as it was read.';
COMMENT ON COLUMN internal.set_aside_row.discarded_by IS 'The newest decision that marked it as dealt with; null while it waits.';

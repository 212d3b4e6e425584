-- Drift scores say what moved, and why there is no value.

ALTER TABLE internal.drift_score ADD COLUMN reason text, ADD COLUMN moved text;
COMMENT ON COLUMN internal.drift_score.reason IS 'Why there is no value; null where there is one.';
COMMENT ON COLUMN internal.drift_score.moved IS 'In words, which part of the distribution moved; null where nothing did, and of imported days.';
COMMENT ON COLUMN internal.drift_score.definition IS 'Formula, base of the logarithm, bins, and the p value of a test.';
COMMENT ON COLUMN internal.drift_score.slice IS 'Part of the rows, as column=level; empty for all.';
COMMENT ON COLUMN internal.drift_score.value IS 'Its value; null where there is a reason why it has none.';
COMMENT ON COLUMN internal.drift_score.rank_n IS 'How many past values the rank is among; below 30 it is provisional.';

UPDATE internal.drift_score
SET
    reason = coalesce(nullif(split_part(definition, '; no value: ', 2), ''), 'not recorded'),
    definition = split_part(definition, '; no value: ', 1)
WHERE value IS NULL;
ALTER TABLE internal.drift_score ADD CONSTRAINT drift_score_reason CHECK ((value IS NULL) = (reason IS NOT NULL));

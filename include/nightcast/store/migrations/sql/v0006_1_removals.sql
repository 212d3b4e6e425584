-- What was removed on purpose: of somebody who asked for it, or because its time is over.

CREATE TABLE internal.removal (
    removal_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline text COLLATE "C" NOT NULL REFERENCES internal.pipeline,
    kind text NOT NULL CHECK (kind IN ('erased', 'expired')),
    subject text CHECK (subject ~ '^[0-9a-f]{64}$'),
    columns text [] NOT NULL DEFAULT '{}',
    who text NOT NULL,
    why text NOT NULL,
    removed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    first_day date,
    last_day date,
    counts jsonb NOT NULL,
    runs bigint [] NOT NULL DEFAULT '{}',
    objects text [] NOT NULL DEFAULT '{}',
    done_at timestamptz,
    CONSTRAINT removal_subject CHECK ((kind = 'erased') = (subject IS NOT NULL))
);
COMMENT ON TABLE internal.removal IS 'One row per removal: what an erasure or the retention took out. Names nobody.';
COMMENT ON COLUMN internal.removal.removal_id IS 'In the order of the removals.';
COMMENT ON COLUMN internal.removal.pipeline IS 'The pipeline.';
COMMENT ON COLUMN internal.removal.kind IS 'erased (somebody asked for it) | expired (by the spec''s retention).';
COMMENT ON COLUMN internal.removal.subject IS 'Keyed digest of who was erased: tells whether it was somebody, never who it was.';
COMMENT ON COLUMN internal.removal.columns IS 'Columns by which rows were chosen.';
COMMENT ON COLUMN internal.removal.who IS 'Person or step that removed it.';
COMMENT ON COLUMN internal.removal.why IS 'The reason.';
COMMENT ON COLUMN internal.removal.removed_at IS 'When it was removed from the tables.';
COMMENT ON COLUMN internal.removal.first_day IS 'First event day that had something of it; null where none had.';
COMMENT ON COLUMN internal.removal.last_day IS 'Last event day that had something of it.';
COMMENT ON COLUMN internal.removal.counts IS 'How many rows were removed, by where they were.';
COMMENT ON COLUMN internal.removal.runs IS 'Runs whose predictions or snapshot are no longer what they were.';
COMMENT ON COLUMN internal.removal.objects IS 'Lake objects that are replaced or no longer needed, to be deleted after the tables have changed.';
COMMENT ON COLUMN internal.removal.done_at IS 'When the objects were deleted; null while some may be there.';

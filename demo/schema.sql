-- Synaptic's tables, for PostgreSQL 15 and later. Run once, by the owner of the database, after the
-- extension pg_stat_statements was created by a superuser (or by a role that may create it itself).
--
-- There is a partition for each year from three years ago to next year, and one that catches what fits
-- none, so that a forgotten year costs speed and not writes.

CREATE EXTENSION IF NOT EXISTS pg_stat_statements;

CREATE TABLE IF NOT EXISTS memories (
    id            uuid             NOT NULL,
    content       text             NOT NULL,
    memory_type   text             NOT NULL,
    importance    double precision NOT NULL DEFAULT 0.5 CHECK (importance BETWEEN 0 AND 1),
    user_id       text             NOT NULL,
    created_at    timestamptz      NOT NULL DEFAULT now(),
    last_accessed timestamptz      NOT NULL DEFAULT now(),
    deleted_at    timestamptz,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);

DO $$
DECLARE
    this_year integer := extract(year FROM now() AT TIME ZONE 'UTC');
BEGIN
    FOR y IN this_year - 3 .. this_year + 1 LOOP
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS memories_%s PARTITION OF memories FOR VALUES FROM (%L) TO (%L)',
            y, format('%s-01-01 00:00:00+00', y), format('%s-01-01 00:00:00+00', y + 1)
        );
    END LOOP;
END
$$;

CREATE TABLE IF NOT EXISTS memories_default PARTITION OF memories DEFAULT;

-- Pieces from which consolidation makes one memory; those of a memory are removed when they were merged.
CREATE TABLE IF NOT EXISTS memory_fragments (
    id         bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    memory_id  uuid             NOT NULL,
    position   integer          NOT NULL,
    content    text             NOT NULL,
    weight     double precision NOT NULL DEFAULT 0.5,
    created_at timestamptz      NOT NULL DEFAULT now()
);

-- Who did what, kept ten years. Upkeep (backup_completed, consolidation_completed) is here as well.
CREATE TABLE IF NOT EXISTS audit_logs (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_type text        NOT NULL,
    operation  text        NOT NULL,
    user_id    text,
    resource   text,
    success    boolean     NOT NULL DEFAULT true,
    ip_address inet,
    risk_level text        NOT NULL DEFAULT 'Low' CHECK (risk_level IN ('Low', 'Medium', 'High', 'Critical')),
    details    jsonb       NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS idx_memories_search_vector ON memories USING gin (to_tsvector('english', content));
CREATE INDEX IF NOT EXISTS idx_memories_created_at ON memories (created_at);
CREATE INDEX IF NOT EXISTS idx_memories_created_at_type ON memories (created_at, memory_type) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS idx_memories_user_id ON memories (user_id);
CREATE INDEX IF NOT EXISTS idx_memory_fragments_memory_id ON memory_fragments (memory_id);
CREATE INDEX IF NOT EXISTS idx_audit_logs_operation ON audit_logs (operation, created_at);

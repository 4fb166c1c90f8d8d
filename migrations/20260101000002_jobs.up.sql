-- A resharding job: what it was asked to do, and how far it is.
CREATE TABLE jobs (
    job        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    database   text        NOT NULL,
    state      text        NOT NULL CHECK (state IN (
        'planned', 'schema', 'copying', 'catching-up', 'verifying', 'ready', 'cutover', 'switched',
        'rolled-back', 'finished', 'aborted'
    )),
    paused     boolean     NOT NULL DEFAULT false,
    plan       jsonb       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now()
);

-- Two jobs that move keys of one database would undo each other's work.
CREATE UNIQUE INDEX jobs_one_under_way ON jobs (database)
    WHERE state NOT IN ('rolled-back', 'finished', 'aborted');

-- What a job has done, step by step. After a crash it goes on behind the last entry.
CREATE TABLE journal (
    job   bigint      NOT NULL REFERENCES jobs ON DELETE CASCADE,
    entry bigint      GENERATED ALWAYS AS IDENTITY,
    step  text        NOT NULL,
    data  jsonb       NOT NULL DEFAULT '{}',
    at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job, entry)
);

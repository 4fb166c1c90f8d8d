-- Every version of a database's topology that routers may have served. The newest row is the one in force.
CREATE TABLE epochs (
    database   text        NOT NULL,
    epoch      bigint      NOT NULL CHECK (epoch > 0),
    -- What differs from the epoch before, as the resharding job wrote it.
    change     jsonb       NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (database, epoch)
);

-- A router says here which epoch it serves, and until when it may do so unheard. One that has not
-- renewed its lease must have stopped writing: that is what lets a cutover go on without it.
CREATE TABLE routers (
    router      uuid        NOT NULL,
    database    text        NOT NULL,
    epoch       bigint      NOT NULL,
    lease_until timestamptz NOT NULL,
    -- For people: where the router runs.
    label       text        NOT NULL DEFAULT '',
    PRIMARY KEY (router, database),
    FOREIGN KEY (database, epoch) REFERENCES epochs (database, epoch)
);

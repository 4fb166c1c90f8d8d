-- The schema of the differential tests: every kind of home, and columns of the
-- types whose order, equality or text is easy to get wrong.
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');

CREATE TABLE users (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    email text,
    country text,
    score numeric,
    ratio double precision,
    level integer,
    born date,
    active boolean,
    mood mood,
    tags text[],
    extra jsonb
);
CREATE TABLE orders (
    user_id bigint NOT NULL,
    id bigint NOT NULL,
    total numeric(12, 2),
    qty smallint,
    created timestamp,
    note text,
    PRIMARY KEY (user_id, id)
);
CREATE TABLE items (
    user_id bigint NOT NULL,
    order_id bigint NOT NULL,
    n integer NOT NULL,
    sku text,
    price numeric(10, 2),
    PRIMARY KEY (user_id, order_id, n)
);
CREATE TABLE docs (
    code text PRIMARY KEY,
    title text,
    size integer,
    body bytea
);
CREATE TABLE logins (
    id uuid PRIMARY KEY,
    user_id bigint,
    at timestamptz
);
CREATE TABLE readings (
    device bigint NOT NULL,
    day text NOT NULL,
    value double precision,
    PRIMARY KEY (device, day)
);
CREATE TABLE events (
    id bigint PRIMARY KEY,
    kind text,
    weight integer
);
CREATE TABLE tenants (
    id bigint PRIMARY KEY,
    plan text
);
CREATE TABLE regions (
    code text PRIMARY KEY,
    size integer
);
CREATE TABLE countries (
    code text PRIMARY KEY,
    name text NOT NULL,
    population bigint
);
CREATE TABLE audit_log (
    id bigint PRIMARY KEY,
    actor bigint,
    what text
);
CREATE TABLE notes (
    id bigint PRIMARY KEY,
    body text
);

-- Other schemas, odd names, types that somebody made, partitions, inheritance.
CREATE SCHEMA crm;
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE TYPE address AS (street text, zip integer);
CREATE TABLE crm.leads (
    user_id bigint NOT NULL,
    n integer NOT NULL,
    source text COLLATE "en-x-icu",
    gone text,
    moods mood[],
    home address,
    age positive,
    doubled integer GENERATED ALWAYS AS (n * 2) STORED,
    PRIMARY KEY (user_id, n)
);
ALTER TABLE crm.leads DROP COLUMN gone;
CREATE TABLE "Odd Names" (
    user_id bigint PRIMARY KEY,
    "Weird ""col" text,
    "order" integer,
    "select" character(4)
);
CREATE TABLE parts (
    id bigint NOT NULL,
    kind text NOT NULL,
    v integer,
    PRIMARY KEY (id, kind)
) PARTITION BY LIST (kind);
CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
CREATE TABLE parts_rest PARTITION OF parts DEFAULT;
CREATE TABLE base (
    id bigint PRIMARY KEY,
    v text
);
CREATE TABLE derived (
    more text
) INHERITS (base);
CREATE VIEW grown AS SELECT id, name, level FROM users WHERE level >= 2;
CREATE VIEW totals AS SELECT user_id, sum(total) AS total, count(*) AS n FROM orders GROUP BY user_id;
CREATE VIEW per_country AS SELECT c.name, count(u.id) AS n FROM countries c LEFT JOIN users u ON u.country = c.code GROUP BY c.name;
CREATE VIEW grown_totals AS SELECT g.name, t.total FROM grown g JOIN totals t ON t.user_id = g.id;

-- One column of each sort of type, and tables below it.
CREATE TABLE kinds (
    id bigint PRIMARY KEY,
    small smallint,
    big bigint,
    amount numeric(8, 2),
    plain numeric,
    f double precision,
    r real,
    span interval,
    padded character(6),
    short character varying(10),
    stamp timestamptz,
    moment timestamp,
    clock time,
    zoned timetz,
    day date,
    data jsonb,
    doc json,
    list integer[],
    words text[],
    period int4range,
    many int4multirange,
    net inet,
    flags bit(4),
    place point,
    cash money,
    letter "char",
    label name,
    made uuid,
    bin bytea,
    yes boolean
);
CREATE TABLE child (
    kind_id bigint NOT NULL REFERENCES kinds ON DELETE CASCADE,
    n integer NOT NULL,
    v numeric(10, 2) DEFAULT 0,
    t text,
    twice integer GENERATED ALWAYS AS (n * 2) STORED,
    PRIMARY KEY (kind_id, n)
);

-- Functions that nobody has declared IMMUTABLE or STABLE.
CREATE FUNCTION doubled_of(x bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN IF x IS NULL THEN RETURN 0; END IF; RETURN 2 * x; END $$;
CREATE FUNCTION label_of(n text, l integer DEFAULT 1) RETURNS text LANGUAGE sql AS $$ SELECT upper(n) || '/' || coalesce(l, -1) $$;
CREATE FUNCTION label_of_label(n text) RETURNS text LANGUAGE plpgsql STABLE AS $$ DECLARE r text; BEGIN SELECT label_of(n, 7) INTO r; RETURN r; END $$;
CREATE FUNCTION positive_or_fail(x bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN IF x < 0 THEN RAISE EXCEPTION 'negative: %', x USING ERRCODE = '22003'; END IF; RETURN x; END $$;
CREATE FUNCTION parts_of(x bigint) RETURNS SETOF bigint LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..least(x, 3) LOOP RETURN NEXT x * i; END LOOP; END $$;
CREATE FUNCTION country_name(c text) RETURNS text LANGUAGE sql STABLE AS $$ SELECT name FROM countries WHERE code = c $$;
CREATE FUNCTION note_body(n bigint) RETURNS text LANGUAGE sql AS $$ SELECT body FROM notes WHERE id = n $$;
CREATE FUNCTION add_note(n bigint, b text) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN INSERT INTO notes VALUES (n, b) ON CONFLICT (id) DO UPDATE SET body = excluded.body; RETURN n; END $$;
CREATE FUNCTION note_and_country(n bigint) RETURNS text LANGUAGE sql AS $$ SELECT body || (SELECT name FROM countries ORDER BY code LIMIT 1) FROM notes WHERE id = n $$;
CREATE FUNCTION users_alike(n text) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT count(*) FROM users WHERE name = n $$;
CREATE FUNCTION renamed_country(c text, n text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN UPDATE countries SET name = n WHERE code = c; RETURN n; END $$;
CREATE FUNCTION runs(t text) RETURNS bigint LANGUAGE plpgsql AS $$ DECLARE r bigint; BEGIN EXECUTE t INTO r; RETURN r; END $$;
CREATE FUNCTION seen_at() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN now() <= clock_timestamp(); END $$;
CREATE FUNCTION set_for_now(v text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN SET LOCAL application_name = 'x'; RETURN v; END $$;

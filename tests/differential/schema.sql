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

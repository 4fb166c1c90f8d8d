-- Writes that reach over shards, by construct.
INSERT INTO users (id, name) VALUES (201, 'a'), (202, 'b'), (203, 'c'), (204, 'd'), (205, 'e') RETURNING id, name
!INSERT INTO users (id, name) VALUES (205, 'a'), (202, 'b'), (201, 'c'), (204, 'd'), (203, 'e') RETURNING id, upper(name)
INSERT INTO users (id, name) VALUES (201, 'a'), (7, 'b'), (203, 'c') ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING id, name
INSERT INTO users (id, name) VALUES (201, 'a'), (7, 'b'), (8, 'c') ON CONFLICT DO NOTHING
INSERT INTO users (id, name) VALUES (201, 'a'), (7, 'b'), (8, 'c') ON CONFLICT (id) DO UPDATE SET level = users.level + 1 WHERE users.level > 2 RETURNING id, level
INSERT INTO users (id, name) VALUES (201, 'a'), (201, 'b'), (202, 'c')
INSERT INTO users (id, name) VALUES (201, 'a'), (202, 'b'), (201, 'c') ON CONFLICT (id) DO UPDATE SET name = 'x'
INSERT INTO users (id, name, born) VALUES (201, 'a', '2020-02-30'), (202, 'b', NULL)
INSERT INTO users (id, name, level) VALUES (201, 'a', 1), (202, 'b', 1 / 0)
INSERT INTO users (id, name, level) VALUES (201, 'a', length('abc')), (202, 'b', abs(-4)), (203, lower('X'), NULL)
INSERT INTO users (id, name, level) VALUES (201, 'a', (SELECT 5)), (202, 'b', (SELECT max(level) FROM users))
INSERT INTO users (id, name) VALUES (200 + 1, 'a'), ('202', 'b'), (203.2, 'c')
INSERT INTO users (id, name) VALUES (length('abcdefgh') + 300, 'a'), (302, 'b')
INSERT INTO users (id, name) VALUES ((SELECT max(id) + 1 FROM users), 'next') RETURNING id
INSERT INTO users (id, name) VALUES (201, (SELECT name FROM users WHERE id = 7))
INSERT INTO users (id, name) VALUES (201, (SELECT max(name) FROM users WHERE id < 20))
INSERT INTO users (id, name, mood, tags, extra) VALUES (201, 'a', 'sad', '{x}', '{}'), (202, 'b', 'ok', ARRAY['y', 'z'], '{"a": [1]}') RETURNING *
INSERT INTO users AS u (id, name) VALUES (201, 'a'), (202, 'b') RETURNING u.id
INSERT INTO users (id, name) SELECT id + 1000, name FROM users
INSERT INTO users (id, name) SELECT id + 1000, name FROM users WHERE active RETURNING id
INSERT INTO users (id, name) SELECT id, name FROM users ON CONFLICT (id) DO UPDATE SET name = 'again ' || excluded.name
INSERT INTO users (id, name) SELECT user_id, 'x' FROM orders ON CONFLICT DO NOTHING
INSERT INTO users (id, name) SELECT max(id) + 1, 'top' FROM users
INSERT INTO users (id, name) SELECT 500 + row_number() OVER (ORDER BY id), name FROM users
INSERT INTO users (id, name) SELECT id + 1000, name FROM users ORDER BY level NULLS LAST, id LIMIT 5
INSERT INTO users (id, name) VALUES (301, 'v') RETURNING (SELECT count(*) FROM countries)
INSERT INTO users (id, name) SELECT id, 'u' FROM audit_log WHERE id > 900
INSERT INTO users (id, name) SELECT 900 + id, what FROM audit_log
INSERT INTO users (id, name) SELECT 600 + population, name FROM countries WHERE population < 50
INSERT INTO users (id, name) SELECT NULL, 'x'
INSERT INTO users (id, name) SELECT CASE WHEN id > 5 THEN id + 1000 END, name FROM users WHERE id BETWEEN 1 AND 30
INSERT INTO users SELECT id + 1000, name, email, country, score, ratio, level, born, active, mood, tags, extra FROM users WHERE level = 2
INSERT INTO users SELECT * FROM users
INSERT INTO users SELECT * FROM users ON CONFLICT DO NOTHING
INSERT INTO users (id, name) (SELECT 401, 'a' UNION ALL SELECT 402, 'b')
INSERT INTO users (id, name) SELECT id + 2000, 'x' FROM users UNION SELECT user_id + 3000, 'y' FROM orders
INSERT INTO users (id, name) WITH w AS (SELECT id FROM users WHERE level > 1) SELECT id + 4000, 'w' FROM w
WITH w AS (SELECT id, name FROM users WHERE level > 1) INSERT INTO users (id, name) SELECT id + 4000, name FROM w
INSERT INTO orders (user_id, id, total) SELECT u.id, 900, c.population FROM users u JOIN countries c ON c.code = u.country
INSERT INTO orders (user_id, id) SELECT u.id, 800 FROM users u WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id)
INSERT INTO orders (user_id, id, qty) SELECT id, 700, (SELECT count(*) FROM orders o WHERE o.user_id = users.id) FROM users
INSERT INTO orders (user_id, id, qty) SELECT level, 700 + id, 1 FROM users WHERE level IS NOT NULL
INSERT INTO orders (user_id, id, total) SELECT user_id, 600, sum(total) FROM orders GROUP BY user_id
INSERT INTO orders (user_id, id, total) SELECT 7, 500 + user_id, sum(total) FROM orders GROUP BY user_id
INSERT INTO items (user_id, order_id, n, sku) SELECT user_id, id, 50, note FROM orders
INSERT INTO docs (code, title, size) SELECT 'u' || id, name, level FROM users
INSERT INTO docs (code, title) SELECT DISTINCT upper(country), 'c' FROM users WHERE country IS NOT NULL
INSERT INTO logins (id, user_id) SELECT ('00000000-0000-4000-8000-' || lpad(id::text, 12, '0'))::uuid, id FROM users WHERE id BETWEEN 1 AND 9
INSERT INTO readings (device, day, value) SELECT id, name, 1.5 FROM users WHERE id > 0
INSERT INTO events (id, kind) SELECT id, 'k' FROM users WHERE id BETWEEN 20 AND 30 ON CONFLICT DO NOTHING
INSERT INTO events (id, kind) SELECT id + 5000, 'k' FROM users
INSERT INTO tenants (id, plan) SELECT id + 5000, 'k' FROM users RETURNING id
INSERT INTO regions (code, size) SELECT name, level FROM users WHERE id < 4 AND id > 0 ON CONFLICT DO NOTHING
INSERT INTO countries (code, name, population) SELECT 'z' || id, name, (SELECT count(*) FROM orders) FROM users WHERE id BETWEEN 1 AND 5 RETURNING code
INSERT INTO countries (code, name) SELECT 'zz', max(name) FROM users
INSERT INTO countries (code, name) SELECT code, name FROM countries ON CONFLICT (code) DO UPDATE SET population = 0
INSERT INTO audit_log (id, what) SELECT 1000 + id, name FROM users
INSERT INTO audit_log (id, actor) SELECT 1000, count(*) FROM users RETURNING actor
INSERT INTO notes (id, body) SELECT 1000 + id, what FROM audit_log
INSERT INTO notes (id, body) SELECT 1000 + id, name FROM users WHERE id = 7
INSERT INTO notes (id, body) VALUES (1000, (SELECT max(name) FROM users))
UPDATE users SET level = 1 RETURNING id, level, name
UPDATE users SET level = (SELECT max(level) FROM users) WHERE level IS NULL
UPDATE users SET level = (SELECT max(qty) FROM orders WHERE orders.id = users.level)
UPDATE users SET (level, name) = (SELECT count(*), 'n' FROM orders WHERE orders.user_id = users.id)
UPDATE users SET level = level + (SELECT count(*) FROM audit_log)
UPDATE users SET level = n.id FROM notes n WHERE n.id = users.id
UPDATE users SET level = a.actor FROM audit_log a WHERE a.actor = users.id
UPDATE users SET name = d.title FROM docs d WHERE d.size = users.level AND d.code = 'alpha'
UPDATE users SET level = 0 WHERE id IN (SELECT user_id FROM orders GROUP BY user_id HAVING count(*) > 2)
UPDATE users SET level = 0 WHERE level > (SELECT avg(level) FROM users)
UPDATE users SET level = 0 WHERE country IN (SELECT code FROM countries WHERE population > 10)
UPDATE users SET level = 0 FROM (SELECT user_id, max(qty) AS m FROM orders GROUP BY user_id) o WHERE o.user_id = users.id
UPDATE users SET level = 0 FROM (SELECT max(id) AS m FROM orders) o WHERE o.m > users.level
UPDATE users SET level = coalesce(level, 0) + 1 WHERE id BETWEEN 3 AND 12 RETURNING id
UPDATE users SET tags = tags || 'x'::text, extra = '{"k": 1}' WHERE active
UPDATE users SET mood = 'happy' WHERE mood = 'sad' RETURNING id, mood
UPDATE users SET level = 1 / (level - level) WHERE level = 2
UPDATE users AS u SET level = 3 WHERE EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id AND o.qty > 1)
UPDATE orders SET note = u.name FROM users u WHERE u.id = orders.user_id RETURNING orders.user_id, orders.id, u.name
UPDATE orders SET total = total + i.price FROM items i WHERE i.user_id = orders.user_id AND i.order_id = orders.id AND i.n = 1
UPDATE orders SET total = 0 WHERE user_id IN (SELECT id FROM users WHERE level = 2)
UPDATE orders SET qty = 1 WHERE (user_id, id) IN (SELECT user_id, order_id FROM items)
UPDATE users SET id = 900 WHERE id = 7 RETURNING id, name
UPDATE users SET id = id + 1000
UPDATE users SET id = id + 1000 WHERE active RETURNING *
UPDATE users SET id = 8 WHERE id = 7
UPDATE users SET id = id + 1 WHERE id = 40
UPDATE users SET id = NULL WHERE id = 7
UPDATE users SET id = id WHERE id = 7
UPDATE users SET id = -id, name = upper(name), level = DEFAULT WHERE id = 7
UPDATE users SET id = -id, name = upper(name) WHERE id > 30
UPDATE users SET id = (SELECT max(id) + 1 FROM users) WHERE id = 7
UPDATE users SET (id, name) = (901, 'moved') WHERE id = 7
UPDATE orders SET user_id = user_id + 100
UPDATE orders SET user_id = 8 WHERE user_id = 7 AND id > 1
UPDATE docs SET code = code || '!' RETURNING code
UPDATE readings SET day = 'x' || day
UPDATE tenants SET id = id + 1000 WHERE id > 5
UPDATE events SET id = 150 WHERE id = 50
UPDATE countries SET population = (SELECT count(*) FROM users WHERE users.country = countries.code)
UPDATE countries SET name = upper(name) WHERE code IN (SELECT country FROM users)
UPDATE countries SET population = population + 1 RETURNING code, population
UPDATE audit_log SET what = (SELECT max(name) FROM users)
UPDATE audit_log SET what = u.name FROM users u WHERE u.id = audit_log.actor
UPDATE notes SET body = a.what FROM audit_log a WHERE a.id = notes.id
DELETE FROM users WHERE level = (SELECT max(level) FROM users)
DELETE FROM users WHERE id NOT IN (SELECT user_id FROM orders)
DELETE FROM users WHERE id IN (SELECT user_id FROM orders) RETURNING id
DELETE FROM users WHERE name IN (SELECT name FROM users GROUP BY name HAVING count(*) > 1)
DELETE FROM users USING docs d WHERE d.size = users.level
DELETE FROM users USING audit_log a WHERE a.actor = users.id RETURNING users.id, a.what
DELETE FROM users USING countries c WHERE c.code = users.country AND c.population > 10
DELETE FROM orders o USING items i WHERE i.user_id = o.user_id AND i.order_id = o.id RETURNING o.id, i.n
DELETE FROM orders WHERE total < (SELECT avg(total) FROM orders)
DELETE FROM orders WHERE user_id = 7 AND total < (SELECT avg(total) FROM orders)
DELETE FROM orders WHERE id = (SELECT min(id) FROM audit_log)
DELETE FROM items WHERE (user_id, order_id) NOT IN (SELECT user_id, id FROM orders)
DELETE FROM audit_log WHERE actor IN (SELECT id FROM users WHERE level > 1)
DELETE FROM countries WHERE code NOT IN (SELECT country FROM users WHERE country IS NOT NULL)
DELETE FROM readings WHERE value > 1 RETURNING device, day
DELETE FROM events WHERE id > 60 RETURNING id
WITH w AS (SELECT code FROM countries WHERE population > 5) DELETE FROM users WHERE country IN (SELECT code FROM w)
WITH w AS (SELECT max(level) AS m FROM users) UPDATE users SET level = 0 FROM w WHERE users.level = w.m
WITH d AS (DELETE FROM orders WHERE total > 20 RETURNING user_id, id) SELECT count(*), min(id) FROM d
WITH d AS (DELETE FROM orders RETURNING *) SELECT user_id, count(*) FROM d GROUP BY user_id
WITH d AS (DELETE FROM orders WHERE qty > 1 RETURNING user_id, id) INSERT INTO audit_log (id, actor) SELECT 5000 + row_number() OVER (ORDER BY user_id, id), user_id FROM d
WITH u AS (UPDATE users SET level = 9 WHERE active RETURNING id) SELECT max(id) FROM u
WITH i AS (INSERT INTO users (id, name) VALUES (201, 'a') RETURNING id) SELECT id FROM i
WITH i AS (INSERT INTO users (id, name) VALUES (201, 'a') RETURNING id) INSERT INTO orders (user_id, id) SELECT id, 1 FROM i
WITH d AS (DELETE FROM users WHERE id = 7 RETURNING name) UPDATE users SET name = d.name FROM d WHERE users.id = 8
INSERT INTO countries VALUES ('aa', 'New', 1), ('ab', 'New', 2) ON CONFLICT (code) DO UPDATE SET population = 9 RETURNING code, population
INSERT INTO countries (code, name) VALUES ('aa', upper('new')), ('ab', 'x' || 'y')
INSERT INTO countries (code, name) VALUES ('aa', (random() * 0)::text) ON CONFLICT DO NOTHING RETURNING code
UPDATE users SET born = current_date WHERE id = 123456
UPDATE logins SET at = now() WHERE user_id < 0
DELETE FROM logins WHERE at > now()
DELETE FROM logins WHERE at < now() - interval '1 year' RETURNING user_id
TRUNCATE TABLE users, orders, items
TRUNCATE users CASCADE
TRUNCATE docs RESTART IDENTITY
BEGIN; TRUNCATE orders; SELECT count(*) FROM orders; ROLLBACK
BEGIN; DELETE FROM orders; INSERT INTO orders (user_id, id) VALUES (1, 1), (2, 2), (3, 3); SELECT count(*) FROM orders; COMMIT
BEGIN; UPDATE users SET id = id + 1000; SELECT min(id), count(*) FROM users; COMMIT
BEGIN; UPDATE users SET level = 1; SAVEPOINT a; UPDATE users SET level = 2; ROLLBACK TO a; COMMIT
BEGIN; INSERT INTO users (id, name) SELECT id + 1000, name FROM users; INSERT INTO users (id, name) SELECT id + 5000, name FROM users; COMMIT
BEGIN; LOCK TABLE users IN SHARE MODE; UPDATE users SET level = 1 WHERE id IN (7, 8); COMMIT
UPDATE users SET level = 1 WHERE id = 7; UPDATE users SET level = 1 / 0 WHERE id = 8
DELETE FROM orders; DELETE FROM items; SELECT count(*) FROM items
CREATE TABLE copy_of_users AS SELECT id, name FROM users WHERE level > 1
CREATE TABLE copy_of_users AS SELECT country, count(*) AS n FROM users GROUP BY country
CREATE TABLE copy_of_users (a bigint PRIMARY KEY, b text)
ANALYZE users
ANALYZE
CREATE INDEX ON users (name)
COMMENT ON TABLE users IS 'people'
COMMENT ON COLUMN users.name IS 'name'
ALTER TABLE users ADD COLUMN later integer; ALTER TABLE users DROP COLUMN later
CREATE VIEW copy_view AS SELECT id FROM users; DROP VIEW copy_view
CREATE SCHEMA extra; DROP SCHEMA extra
CREATE TYPE extra_mood AS ENUM ('a', 'b'); DROP TYPE extra_mood
CREATE SEQUENCE extra_seq; DROP SEQUENCE extra_seq
CREATE FUNCTION extra_f(i integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1'; DROP FUNCTION extra_f
INSERT INTO users (id, name) VALUES ($1, $2), ($3, $4), ($5, $6) RETURNING id, name @ 201 | a | 202 | b | 203 | c
INSERT INTO users (id, name) VALUES ($1, $2), ($1 + 1, $2) @ 201 | a
INSERT INTO users (id, name, level) VALUES ($1, $2, $3), ($4, $5, $3) ON CONFLICT (id) DO UPDATE SET level = $3 @ 7 | a | 5 | 202 | b
INSERT INTO users (id, name) SELECT id + $1, name FROM users WHERE level = $2 @ 1000 | 2
INSERT INTO users (id, name) SELECT $1, $2 @ 201 | x
INSERT INTO orders (user_id, id, note) SELECT id, $1, $2 FROM users @ 99 | n
INSERT INTO audit_log (id, what) SELECT $1 + id, name FROM users WHERE id > $2 @ 5000 | 10
UPDATE users SET level = $1 WHERE level < (SELECT avg(level) FROM users) AND id > $2 RETURNING id @ 5 | 3
UPDATE users SET id = id + $1, name = $2 WHERE level = $3 @ 1000 | moved | 2
UPDATE users SET born = $1 WHERE id IN ($2, $3) @ 2001-01-01 | 7 | 8
DELETE FROM orders WHERE user_id IN (SELECT id FROM users WHERE level = $1) RETURNING id @ 2
DELETE FROM users USING audit_log a WHERE a.actor = users.id AND a.id > $1 @ 1
UPDATE countries SET population = (SELECT count(*) FROM users WHERE level = $1) WHERE code = $2 @ 2 | de
LOCK TABLE users
CREATE TABLE made (id bigserial PRIMARY KEY, body text); INSERT INTO made (body) VALUES ('a'), ('b') RETURNING id
INSERT INTO notes (id, body) SELECT 2000 + id, name FROM users WHERE id IN (7, 8)
UPDATE notes SET body = (SELECT name FROM users WHERE id = 7) WHERE id = 1
-- Rows of several widths are an error, also where each shard would get those of one.
INSERT INTO users (id, name) VALUES (951, 'x'), (952)
INSERT INTO users VALUES (951, 'x'), (952, 'y', 'z'), (953, 'z')
INSERT INTO users (id, name) VALUES (951, 'x'), (952, 'y', 'z')
INSERT INTO countries (code, name) VALUES ('x', 'x'), ('y')

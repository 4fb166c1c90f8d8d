-- What a page of PostgreSQL's manual has each, of changes.
INSERT INTO users (id, name) VALUES (951, 'a'), (952, 'b'), (953, 'c') RETURNING *
INSERT INTO users (id, name, extra) VALUES (951, 'a', '{"a": 1}'), (952, 'b', NULL) RETURNING id, extra->>'a'
INSERT INTO users (id, name) SELECT g, 'n' || g FROM generate_series(951, 960) g RETURNING id
INSERT INTO users (id, name) SELECT id + 951, name FROM users WHERE id BETWEEN 1 AND 9 ORDER BY id DESC LIMIT 4 RETURNING id, name
INSERT INTO users (id, name) VALUES (7, 'dup') ON CONFLICT (id) DO UPDATE SET name = excluded.name || users.name RETURNING id, name
INSERT INTO users (id, name) VALUES (7, 'dup'), (951, 'new') ON CONFLICT DO NOTHING RETURNING id
INSERT INTO users (id, name, level) VALUES (7, 'dup', 1), (8, 'x', 2) ON CONFLICT (id) DO UPDATE SET level = users.level + excluded.level WHERE users.level IS NOT NULL RETURNING id, level
INSERT INTO users (id, name) VALUES (DEFAULT, 'x')
INSERT INTO users (id, name) VALUES (951, NULL)
INSERT INTO users VALUES (951)
INSERT INTO users DEFAULT VALUES
INSERT INTO orders (user_id, id, total) VALUES (7, 100, 1), (8, 100, 2), (9, 100, 3) RETURNING user_id, total * 2 AS t
INSERT INTO orders (user_id, id, total) SELECT id, 100, level FROM users WHERE id BETWEEN 1 AND 20
INSERT INTO orders (user_id, id, total) SELECT user_id, id + 100, total FROM orders WHERE total > 20
INSERT INTO orders (user_id, id, total) SELECT u.id, 100 + o.id, o.total FROM users u JOIN orders o ON o.user_id = u.id WHERE u.level = 1
INSERT INTO orders (user_id, id) SELECT id, row_number() OVER (ORDER BY id) + 100 FROM users
INSERT INTO orders (user_id, id) SELECT user_id + 1, max(id) + 200 FROM orders GROUP BY user_id
WITH top AS (SELECT id FROM users ORDER BY level DESC NULLS LAST, id LIMIT 3) INSERT INTO orders (user_id, id, note) SELECT id, 300, 'top' FROM top RETURNING *
UPDATE users SET name = upper(name), level = level + 1 WHERE country = 'de' RETURNING id, name, level
UPDATE users SET (name, level) = ('x', 3) WHERE id IN (7, 8, 9)
UPDATE users SET (name, level) = (SELECT 'y', max(qty) FROM orders WHERE orders.user_id = users.id) WHERE id < 5
UPDATE users SET level = o.n FROM (SELECT user_id, count(*) AS n FROM orders GROUP BY user_id) o WHERE o.user_id = users.id
UPDATE users u SET name = c.name FROM countries c WHERE c.code = u.country AND u.id > 0
UPDATE orders SET note = u.name FROM users u WHERE u.id = orders.user_id AND u.level > 2 RETURNING orders.user_id, orders.id, u.name
UPDATE orders o SET total = total * 1.1 WHERE EXISTS (SELECT 1 FROM users u WHERE u.id = o.user_id AND u.country = 'fr')
UPDATE orders SET total = total + (SELECT avg(total) FROM orders) WHERE qty = 1
UPDATE users SET level = CASE WHEN level > 2 THEN 0 ELSE level + 1 END WHERE level IS NOT NULL
UPDATE users SET tags = array_append(tags, 'new'), extra = jsonb_set(coalesce(extra, '{}'), '{k}', '1') WHERE id BETWEEN 1 AND 5 RETURNING id, tags, extra
UPDATE users SET extra = extra || '{"z": 9}' WHERE extra ? 'n'
UPDATE users SET level = DEFAULT WHERE id = 7 RETURNING level
UPDATE users SET id = 951 WHERE id = 40
UPDATE users SET id = id + 1000 WHERE id BETWEEN 30 AND 40 RETURNING id
UPDATE users SET name = 'x' WHERE id = ANY (ARRAY[1, 2, 3]) RETURNING id
UPDATE users SET name = 'x' WHERE id BETWEEN 3 AND 6 AND name LIKE 'a%'
UPDATE users SET level = sub.l FROM (VALUES (7, 70), (8, 80)) AS sub(id, l) WHERE sub.id = users.id RETURNING users.id, level
UPDATE users SET level = (SELECT count(*) FROM users u2 WHERE u2.country = users.country)
UPDATE users SET name = name WHERE false
UPDATE users SET nosuch = 1
UPDATE users SET level = 'abc' WHERE id = 7
UPDATE users SET level = 1 / (id - 7) WHERE id > 0
DELETE FROM orders WHERE user_id = 7 RETURNING id
DELETE FROM orders WHERE total < 10 RETURNING user_id, id
DELETE FROM orders USING users u WHERE u.id = orders.user_id AND u.country = 'jp'
DELETE FROM orders o WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = o.user_id)
DELETE FROM orders WHERE (user_id, id) IN (SELECT user_id, max(id) FROM orders GROUP BY user_id)
DELETE FROM orders WHERE id IN (SELECT o.id FROM orders o ORDER BY total DESC NULLS LAST LIMIT 3)
DELETE FROM users WHERE id IN (SELECT id FROM users ORDER BY id DESC LIMIT 5) RETURNING id
DELETE FROM users WHERE level = (SELECT max(level) FROM users)
DELETE FROM users
DELETE FROM countries WHERE code = 'xx' RETURNING *
DELETE FROM users USING countries c WHERE c.code = users.country AND c.population > 100000000
TRUNCATE orders
TRUNCATE orders, items
INSERT INTO countries VALUES ('x1', 'one', 1), ('x2', 'two', 2) RETURNING *
INSERT INTO countries VALUES ('de', 'again', 1) ON CONFLICT (code) DO UPDATE SET population = countries.population + 1 RETURNING population
UPDATE countries SET population = population + 1 WHERE population IS NOT NULL RETURNING code, population
INSERT INTO countries (code, name) SELECT 'u' || id, name FROM users WHERE id BETWEEN 1 AND 3
WITH d AS (DELETE FROM orders WHERE total < 5 RETURNING *) INSERT INTO items (user_id, order_id, n, price) SELECT user_id, id, 99, total FROM d
WITH d AS (DELETE FROM orders WHERE qty = 0 RETURNING user_id) SELECT user_id, count(*) FROM d GROUP BY 1 ORDER BY 1
WITH u AS (UPDATE users SET level = 9 WHERE country = 'de' RETURNING id, level) SELECT count(*), max(level) FROM u
WITH i AS (INSERT INTO users (id, name) VALUES (951, 'w'), (952, 'w') RETURNING id) SELECT id FROM i ORDER BY id
WITH i AS (INSERT INTO users (id, name) VALUES (951, 'w') RETURNING id) INSERT INTO orders (user_id, id) SELECT id, 1 FROM i RETURNING *
WITH s AS (SELECT country, avg(level) AS a FROM users GROUP BY country) UPDATE users SET score = s.a FROM s WHERE s.country = users.country
MERGE INTO users u USING (VALUES (7, 'seven'), (951, 'new')) v(id, name) ON u.id = v.id WHEN MATCHED THEN UPDATE SET name = v.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.id, v.name)
MERGE INTO users u USING orders o ON o.user_id = u.id AND o.id = 1 WHEN MATCHED AND o.total > 10 THEN DELETE WHEN MATCHED THEN UPDATE SET level = 100
MERGE INTO countries c USING (SELECT 'de' AS code, 5 AS p) s ON s.code = c.code WHEN MATCHED THEN UPDATE SET population = s.p
SELECT id FROM users WHERE level = 2 ORDER BY id FOR UPDATE
BEGIN; UPDATE users SET level = 50 WHERE id = 7; UPDATE users SET level = 51 WHERE id = 8; SELECT id, level FROM users WHERE level >= 50 ORDER BY id; COMMIT
BEGIN; INSERT INTO users (id, name) VALUES (951, 'a'); SAVEPOINT s; INSERT INTO users (id, name) VALUES (951, 'b'); ROLLBACK TO s; SELECT count(*) FROM users WHERE id > 900; COMMIT
BEGIN; DELETE FROM orders; SELECT count(*) FROM orders; ROLLBACK
BEGIN; SAVEPOINT a; UPDATE users SET level = 1; SAVEPOINT b; DELETE FROM users WHERE level = 1; ROLLBACK TO b; RELEASE a; SELECT sum(level) FROM users; COMMIT
UPDATE users SET level = 1 WHERE id = 7; UPDATE users SET level = 2 WHERE id = 8; SELECT id, level FROM users WHERE id IN (7, 8) ORDER BY id
INSERT INTO users (id, name) VALUES (951, 'a'); INSERT INTO users (id, name) VALUES (951, 'b')
INSERT INTO docs (code, title, size, body) VALUES ('n1', 't', 1, '\xdeadbeef'), ('n2', NULL, NULL, NULL) RETURNING code, body
INSERT INTO logins (id, user_id, at) VALUES (md5('n')::uuid, 7, '2024-01-01') RETURNING user_id, at
INSERT INTO logins (id, user_id, at) SELECT md5('n' || id)::uuid, id, '2024-01-01' FROM users WHERE id BETWEEN 1 AND 3 RETURNING user_id
INSERT INTO readings VALUES (1, 'x', 1.5), (2, 'x', 2.5), (3, 'y', 'NaN') ON CONFLICT (device, day) DO UPDATE SET value = excluded.value
UPDATE users SET born = born + 1, active = NOT active, mood = 'happy' WHERE id % 2 = 0 AND id > 0 RETURNING id, born, active, mood
UPDATE users AS u SET level = u.level * 2 FROM orders o, items i WHERE o.user_id = u.id AND i.user_id = o.user_id AND i.order_id = o.id AND i.price > 5
DELETE FROM items i USING orders o WHERE o.user_id = i.user_id AND o.id = i.order_id AND o.total IS NULL RETURNING i.user_id, i.n
INSERT INTO audit_log (id, actor, what) SELECT 1000 + id, id, 'seen' FROM users WHERE level = 3
INSERT INTO notes (id, body) SELECT 1000 + count(*), string_agg(name, ',' ORDER BY id) FROM users WHERE id BETWEEN 1 AND 5
UPDATE notes SET body = (SELECT name FROM users WHERE id = notes.id) WHERE id IN (1, 2)
UPDATE notes SET body = u.name FROM users u WHERE u.id = notes.id
DELETE FROM notes WHERE id IN (SELECT level FROM users)
COPY users (id, name) TO STDOUT
COPY (SELECT id, name FROM users WHERE id BETWEEN 1 AND 9 ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER)
CREATE TEMP TABLE tmp_u AS SELECT id, level FROM users WHERE level = 1; SELECT count(*) FROM tmp_u; DROP TABLE tmp_u
ALTER TABLE users ADD COLUMN more int DEFAULT 5; UPDATE users SET more = id WHERE id IN (7, 8) RETURNING id, more; ALTER TABLE users DROP COLUMN more
CREATE INDEX extra_i ON users (lower(name)); DROP INDEX extra_i
CREATE VIEW extra_v AS SELECT id, name FROM users WHERE level = 1; SELECT count(*) FROM extra_v; UPDATE extra_v SET name = 'v' WHERE id = 7; DROP VIEW extra_v
SELECT nextval('ids'), setval('ids', 5)
LOCK TABLE users IN SHARE MODE
INSERT INTO users (id, name, level) VALUES (951, 'a', (SELECT max(level) FROM users)) RETURNING level
INSERT INTO users (id, name) VALUES ((SELECT max(id) FROM orders) + 951, 'a')
INSERT INTO users (id, name) VALUES (950 + 1, 'a'), (length('abc') + 951, 'b') RETURNING id
INSERT INTO users (id, name, born) VALUES (951, 'a', current_date), (952, 'b', now()) RETURNING born = current_date

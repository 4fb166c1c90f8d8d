-- Writes: the result, then every table on every shard.
INSERT INTO users (id, name) VALUES (101, 'new')
INSERT INTO users (name, id) VALUES ('new', 101)
INSERT INTO users VALUES (101, 'new', 'e', 'de', 1.5, 2.5, 3, '2020-01-01', true, 'ok', '{a,b}', '{"n": 1}')
INSERT INTO users (id, name) VALUES ('101', 'new')
INSERT INTO users (id, name) VALUES (100 + 1, 'new')
INSERT INTO users (id, name) VALUES (-101, 'new') RETURNING id, name
INSERT INTO users (id, name) VALUES (101.0, 'new')
INSERT INTO users (id, name) VALUES (101.4, 'rounded')
INSERT INTO users (id, name) VALUES (NULL, 'new')
INSERT INTO users (name) VALUES ('no key')
INSERT INTO users (id, name) VALUES (DEFAULT, 'new')
INSERT INTO users (id, name) VALUES (7, 'duplicate')
INSERT INTO users (id, name) VALUES (7, 'duplicate') ON CONFLICT DO NOTHING
INSERT INTO users (id, name) VALUES (7, 'changed') ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING name
INSERT INTO users (id, name) VALUES (7, 'x') ON CONFLICT (id) DO UPDATE SET id = 8
INSERT INTO users (id, name) VALUES (101, 'a'), (102, 'b'), (103, 'c'), (104, 'd')
INSERT INTO users (id, name) VALUES (101, 'a'), (102, 'b'), (103, 'c') RETURNING id
INSERT INTO users (id, name) VALUES (101, 'a'), (7, 'duplicate'), (103, 'c')
INSERT INTO users (id, name) VALUES (101, 'a'), (102, NULL)
INSERT INTO users (id, name) SELECT 101, 'a'
INSERT INTO users (id, name) SELECT g, 'g' || g FROM generate_series(101, 110) g
INSERT INTO users (id, name) SELECT id + 1000, name FROM users WHERE id = 7
INSERT INTO orders (user_id, id, total) SELECT id, 99, 1 FROM users WHERE id = 7
INSERT INTO orders (user_id, id, total) SELECT id, 99, level FROM users
INSERT INTO orders (user_id, id, total) SELECT user_id, id + 100, total FROM orders WHERE user_id = 7
INSERT INTO orders (id, user_id) VALUES (50, 7), (51, 7)
INSERT INTO orders (user_id, id) VALUES (7, 50), (8, 51)
INSERT INTO docs (code, title) VALUES ('new', 't')
INSERT INTO docs (code, title) VALUES ('e''g', 't'), ('日本', 't')
INSERT INTO logins VALUES ('00000000-0000-4000-8000-0000000000ff', 1, '2024-01-01')
INSERT INTO readings VALUES (100, 'd1', 1.5)
INSERT INTO events VALUES (155, 'buy', 1)
INSERT INTO tenants VALUES (101, 'pro')
INSERT INTO countries VALUES ('aa', 'New', 1)
INSERT INTO countries VALUES ('aa', 'New', 1), ('bb', 'Newer', 2) RETURNING code
INSERT INTO countries VALUES ('de', 'Again', 1)
INSERT INTO countries VALUES ('aa', 'New', (random() * 0)::bigint) ON CONFLICT DO NOTHING
INSERT INTO countries (code, name) SELECT 'u' || id, name FROM users WHERE id < 3 AND id > 0
INSERT INTO audit_log VALUES (100, 1, 'x')
INSERT INTO notes VALUES (100, 'x')
INSERT INTO missing VALUES (1)
UPDATE users SET name = 'changed' WHERE id = 7
UPDATE users SET name = 'changed' WHERE id = 7 RETURNING id, name
UPDATE users SET name = 'changed' WHERE id = 123456
UPDATE users SET name = 'changed' WHERE id IN (7, 8, 9)
UPDATE users SET name = 'changed' WHERE id IN (7, 8, 9) RETURNING id
UPDATE users SET level = level + 1
UPDATE users SET level = level + 1 WHERE active
UPDATE users SET level = level + 1 WHERE active RETURNING id, level
UPDATE users SET score = score * 2 WHERE name = 'ann'
UPDATE users SET name = NULL WHERE id = 7
UPDATE users SET name = NULL WHERE active
UPDATE users SET id = 7 WHERE id = 7
UPDATE users SET id = 700 WHERE id = 7
UPDATE users SET id = id + 1000 WHERE id = 7
UPDATE users SET id = id WHERE active
UPDATE users SET (name, level) = ('both', 9) WHERE id = 7
UPDATE users SET (name, level) = (SELECT 'sub', 9) WHERE id = 7
UPDATE users SET level = (SELECT count(*) FROM orders WHERE orders.user_id = users.id) WHERE id < 10
UPDATE users SET level = (SELECT count(*) FROM orders)
UPDATE users SET name = c.name FROM countries c WHERE c.code = users.country
UPDATE users SET level = o.qty FROM orders o WHERE o.user_id = users.id AND o.id = 1
UPDATE users SET level = o.qty FROM orders o WHERE o.user_id = users.id AND o.id = 1 AND users.id = 7
UPDATE users SET level = o.qty FROM orders o WHERE o.id = users.level AND o.user_id = 3
UPDATE users u SET level = 5 WHERE u.id = 7
UPDATE users SET level = 5 WHERE id = (SELECT max(user_id) FROM orders WHERE user_id < 20)
UPDATE users SET born = now() WHERE id = 123456
UPDATE countries SET population = population + 1
UPDATE countries SET population = 5 WHERE code = 'de' RETURNING *
UPDATE countries SET population = DEFAULT WHERE code = 'de' RETURNING *
UPDATE countries SET (name, population) = (upper(name), DEFAULT)
UPDATE countries SET name = DEFAULT WHERE code = 'de'
UPDATE countries SET population = (SELECT count(*) FROM users)
UPDATE audit_log SET what = 'x' WHERE id = 1
UPDATE notes SET body = 'x'
UPDATE docs SET size = 0 WHERE code = 'alpha'
UPDATE docs SET size = 0 WHERE size > 20
UPDATE events SET weight = 0 WHERE id BETWEEN 50 AND 150
UPDATE missing SET a = 1
DELETE FROM users WHERE id = 7
DELETE FROM users WHERE id = 7 RETURNING *
DELETE FROM users WHERE id IN (7, 8)
DELETE FROM users WHERE active
DELETE FROM users WHERE active RETURNING id
DELETE FROM users
DELETE FROM users WHERE id = 7 OR name = 'ann'
DELETE FROM users WHERE NOT id = 7
DELETE FROM orders USING users WHERE users.id = orders.user_id AND users.active
DELETE FROM orders USING users WHERE users.id = orders.user_id AND users.id = 7
DELETE FROM orders USING users WHERE users.level = orders.qty
DELETE FROM users WHERE NOT EXISTS (SELECT 1 FROM orders WHERE user_id = users.id)
DELETE FROM users WHERE id IN (SELECT user_id FROM orders WHERE total > 50)
DELETE FROM users WHERE id IN (SELECT user_id FROM orders WHERE id = 1)
DELETE FROM countries WHERE code = 'xx'
DELETE FROM countries
DELETE FROM audit_log WHERE id > 4
DELETE FROM readings WHERE device = 1 AND day = 'd1'
DELETE FROM readings WHERE device = 1
WITH d AS (DELETE FROM orders WHERE user_id = 7 RETURNING *) SELECT count(*) FROM d
WITH d AS (DELETE FROM orders RETURNING *) SELECT count(*) FROM d
WITH d AS (DELETE FROM orders WHERE user_id = 7 RETURNING id) INSERT INTO orders (user_id, id) SELECT 8, id + 500 FROM d
WITH n AS (INSERT INTO users (id, name) VALUES (101, 'x') RETURNING id) SELECT id FROM n
WITH n AS (SELECT 101 AS id) INSERT INTO users (id, name) SELECT id, 'x' FROM n
TRUNCATE orders
TRUNCATE users, orders
TRUNCATE countries
TRUNCATE audit_log
SELECT * INTO copy_of_users FROM users
CREATE TABLE copy_of_users AS SELECT * FROM users
INSERT INTO users (id, name) VALUES (101, 'a'); INSERT INTO users (id, name) VALUES (102, 'b')
INSERT INTO users (id, name) VALUES (101, 'a'); INSERT INTO users (id, name) VALUES (7, 'duplicate')
BEGIN; INSERT INTO users (id, name) VALUES (101, 'a'); COMMIT
BEGIN; INSERT INTO users (id, name) VALUES (101, 'a'); ROLLBACK
BEGIN; INSERT INTO users (id, name) VALUES (101, 'a'); INSERT INTO users (id, name) VALUES (102, 'b'); COMMIT
BEGIN; UPDATE users SET level = 1 WHERE id = 7; SAVEPOINT s; UPDATE users SET level = 2 WHERE id = 7; ROLLBACK TO s; COMMIT
BEGIN; DELETE FROM users WHERE id = 7; SELECT 1 / 0; COMMIT
UPDATE users SET level = 1 WHERE id = 7; SELECT level FROM users WHERE id = 7
SELECT 1; SELECT 2; SELECT 3
SELECT 1;; SELECT 2;
SELECT id FROM users WHERE id = 7; SELECT id FROM users WHERE id = 8
;
INSERT INTO users (id, name) VALUES (101, 'a''b; DELETE FROM users')
INSERT INTO users (id, name) VALUES ($1, $2) @ 101 | new
INSERT INTO users (id, name) VALUES ($1, $2), ($3, $4) @ 101 | a | 102 | b
INSERT INTO users (id, name) VALUES ($1 + 1, $2) @ 100 | new
INSERT INTO users (id, name) VALUES ($1, $2) @ \N | new
UPDATE users SET name = $1 WHERE id = $2 @ changed | 7
UPDATE users SET level = $1 WHERE level = $2 @ 9 | 2
DELETE FROM users WHERE id = $1 @ 7
DELETE FROM users WHERE id = ANY ($1) @ {7,8,9}
INSERT INTO regions VALUES ('new', 9)
INSERT INTO regions VALUES ('north', 9)
UPDATE regions SET size = 7 WHERE code = 'east'
DELETE FROM regions WHERE code = 'east' OR code = 'west'

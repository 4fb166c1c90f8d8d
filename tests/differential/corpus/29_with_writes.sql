-- Updates and deletions behind changes of their WITH clause that are made on other shards. Each part sees the tables as they were.
WITH a AS (DELETE FROM orders WHERE qty > 1 RETURNING user_id) UPDATE users SET level = 77 WHERE id IN (SELECT user_id FROM a)
WITH a AS (DELETE FROM orders WHERE qty > 1 RETURNING user_id, id, note) UPDATE users SET email = a.note FROM a WHERE a.user_id = users.id AND a.id = 1 RETURNING users.id, a.id
WITH a AS (DELETE FROM orders WHERE user_id = 7 RETURNING id) UPDATE users SET level = (SELECT count(*) FROM a) WHERE id = 8
WITH a AS (DELETE FROM orders WHERE user_id = 7 RETURNING id) UPDATE users SET level = (SELECT count(*) FROM a) RETURNING id, level
WITH a AS (DELETE FROM orders RETURNING user_id, qty) DELETE FROM users WHERE id = (SELECT max(qty) FROM a)
WITH a AS (UPDATE users SET level = 3 WHERE id = 7 RETURNING id, name) DELETE FROM docs WHERE code IN (SELECT name FROM a) OR size > 5
WITH a AS (INSERT INTO users (id, name) VALUES (951, 'x') RETURNING id) UPDATE orders SET qty = 9 WHERE user_id = 7
WITH a AS (INSERT INTO users (id, name) VALUES (951, 'x') RETURNING id) UPDATE orders SET id = a.id FROM a WHERE user_id = 7 AND orders.id = 1
WITH a AS (INSERT INTO users (id, name) VALUES (7, 'x') RETURNING id) UPDATE orders SET qty = 9 WHERE user_id = 8
WITH a AS (UPDATE countries SET population = 1 WHERE code = 'de' RETURNING population, code) UPDATE users SET level = a.population FROM a WHERE users.country = a.code RETURNING id, level
WITH a AS (UPDATE countries SET population = 1 RETURNING code), b AS (DELETE FROM orders WHERE qty = 2 RETURNING user_id) DELETE FROM users u USING a, b WHERE u.country = a.code AND u.id = b.user_id RETURNING u.id
WITH a AS (DELETE FROM orders WHERE user_id = 7 RETURNING id) UPDATE notes SET body = (SELECT count(*)::text FROM a) WHERE id = 1 RETURNING body
WITH a AS (DELETE FROM orders RETURNING user_id, qty) UPDATE audit_log SET actor = a.user_id FROM a WHERE a.qty = audit_log.id AND a.user_id = 7
WITH a AS (DELETE FROM orders WHERE qty = 3) DELETE FROM audit_log WHERE actor IN (SELECT user_id FROM orders WHERE qty = 3)
WITH a AS (DELETE FROM orders WHERE qty = 3) UPDATE users SET level = 9 WHERE id IN (SELECT user_id FROM orders WHERE qty = 3)
WITH a AS (DELETE FROM orders WHERE qty = 3 RETURNING *) UPDATE users SET level = (SELECT count(*) FROM orders o WHERE o.user_id = users.id) WHERE id < 9
WITH a AS (UPDATE countries SET name = 'x' RETURNING code) UPDATE users SET email = (SELECT max(name) FROM countries) WHERE id < 9
WITH a AS (UPDATE notes SET body = 'n' RETURNING id), b AS (SELECT count(*) AS n FROM a) UPDATE users SET level = b.n FROM b WHERE users.id < 5
WITH a AS (DELETE FROM users RETURNING id), b AS (DELETE FROM orders WHERE user_id IN (SELECT id FROM a)) UPDATE notes SET body = 'x'
WITH a AS (DELETE FROM users WHERE id = 7 RETURNING id, name) UPDATE users SET name = a.name FROM a WHERE users.id = 8
WITH a AS (UPDATE orders SET qty = 5 WHERE user_id IN (SELECT id FROM users WHERE level = 1) RETURNING user_id) UPDATE users SET level = 4 WHERE id IN (SELECT user_id FROM a) OR level = 1
WITH a AS (UPDATE orders SET qty = NULL WHERE user_id = 7 RETURNING qty, total) UPDATE users SET score = a.total FROM a WHERE users.id = 8 AND a.qty IS NULL
WITH a AS (DELETE FROM orders WHERE user_id = $1 RETURNING id, total) UPDATE users SET score = (SELECT sum(total) FROM a) WHERE id = $2 RETURNING score @ 7 | 8
WITH a AS (DELETE FROM orders WHERE user_id = $1 RETURNING id) DELETE FROM docs WHERE code = $2 @ 7 | alpha
BEGIN; WITH a AS (DELETE FROM orders WHERE qty > 1 RETURNING user_id) UPDATE users SET level = 77 WHERE id IN (SELECT user_id FROM a); SELECT count(*) FROM users WHERE level = 77; SELECT count(*) FROM orders; ROLLBACK
WITH a AS (DELETE FROM orders WHERE qty > 1 RETURNING user_id) UPDATE users SET id = 951 WHERE id IN (SELECT user_id FROM a)
WITH a AS (DELETE FROM child RETURNING kind_id) DELETE FROM kinds WHERE id IN (SELECT kind_id FROM a)
WITH a AS (DELETE FROM orders WHERE qty > 1 RETURNING clock_timestamp() AS at) DELETE FROM logins WHERE at < (SELECT max(at) FROM a)
WITH a AS (DELETE FROM orders WHERE qty > 1 RETURNING created) DELETE FROM logins WHERE at < now() AND user_id IN (SELECT 1 FROM a)
-- A reference table that is changed, and read as it was before.
WITH a AS (UPDATE countries SET name = 'x', population = 0 RETURNING code) SELECT c.code, c.name, c.population FROM countries c JOIN a USING (code)
WITH a AS (DELETE FROM countries WHERE code < 'f' RETURNING code) INSERT INTO notes SELECT 900 + count(*), (SELECT string_agg(code, ',' ORDER BY code) FROM countries) FROM a
WITH a AS (UPDATE countries SET population = population + 1 RETURNING code, population) UPDATE users SET level = a.population - countries.population FROM a, countries WHERE a.code = users.country AND countries.code = a.code RETURNING id, level
WITH a AS (UPDATE countries SET population = 5 RETURNING code), b AS (DELETE FROM users WHERE country IN (SELECT code FROM countries WHERE population > 5) RETURNING id) SELECT count(*) FROM b
WITH a AS (UPDATE countries SET name = 'x' RETURNING code) SELECT p.name, p.n FROM per_country p

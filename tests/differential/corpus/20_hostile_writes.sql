-- MERGE, where its join proves it or its source can be brought.
MERGE INTO child c USING kinds k ON c.kind_id = k.id WHEN MATCHED AND k.yes THEN UPDATE SET t = 'merged', v = c.v + 1 WHEN MATCHED AND k.small = 1 THEN DELETE WHEN NOT MATCHED THEN INSERT (kind_id, n, t) VALUES (k.id, 0, 'new')
MERGE INTO child c USING kinds k ON c.kind_id = k.id AND c.n = 1 WHEN NOT MATCHED AND k.small > 1 THEN INSERT VALUES (k.id, 1, 5, DEFAULT) WHEN MATCHED THEN DO NOTHING
MERGE INTO orders o USING (SELECT user_id, max(qty) AS m FROM orders GROUP BY user_id) s ON s.user_id = o.user_id WHEN MATCHED THEN UPDATE SET qty = s.m
MERGE INTO users u USING orders o ON u.id = o.user_id AND o.id = 1 WHEN MATCHED THEN UPDATE SET level = o.qty
MERGE INTO users u USING orders o ON u.id = o.user_id WHEN MATCHED THEN UPDATE SET level = 1
MERGE INTO users u USING (SELECT 7 AS id, 'x' AS name) s ON u.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)
MERGE INTO users u USING (VALUES (7, 'x'), (201, 'y'), (202, 'z')) AS s(id, name) ON u.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)
MERGE INTO users u USING (VALUES (7, 'x'), (201, 'y')) AS s(id, name) ON s.id = u.id AND u.active WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)
MERGE INTO users u USING (VALUES (NULL::bigint, 'x'), (201, 'y')) AS s(id, name) ON s.id = u.id WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)
MERGE INTO users u USING (VALUES (7.0, 'x'), (201.4, 'y')) AS s(id, name) ON s.id = u.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)
MERGE INTO docs d USING (SELECT name AS code, level FROM users WHERE id BETWEEN 1 AND 9) s ON d.code = s.code WHEN MATCHED THEN UPDATE SET size = s.level WHEN NOT MATCHED THEN INSERT (code, size) VALUES (s.code, s.level)
MERGE INTO tenants t USING users u ON t.id = u.id WHEN MATCHED THEN UPDATE SET plan = u.name WHEN NOT MATCHED AND u.id > 0 THEN INSERT VALUES (u.id, 'free')
MERGE INTO docs d USING countries c ON d.code = c.code WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (code, title) VALUES (c.code, c.name)
MERGE INTO readings r USING (SELECT 1 AS device, 'd1' AS day UNION ALL SELECT 99, 'x') s ON (r.device = s.device AND r.day = s.day) WHEN MATCHED THEN UPDATE SET value = 0 WHEN NOT MATCHED THEN INSERT VALUES (s.device, s.day, 1)
MERGE INTO countries c USING (VALUES ('de', 'x'), ('new', 'y')) AS s(code, name) ON s.code = c.code WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (code, name) VALUES (s.code, s.name)
MERGE INTO countries c USING regions r ON c.code = r.code WHEN NOT MATCHED THEN INSERT (code, name) VALUES (r.code, 'r')
MERGE INTO audit_log a USING (SELECT 1 AS id) s ON a.id = s.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN DO NOTHING
MERGE INTO notes n USING countries c ON c.code = n.body WHEN NOT MATCHED THEN INSERT VALUES (length(c.name) + 100 + ascii(c.code), c.name)
MERGE INTO users u USING users v ON u.id = v.id AND v.level = 2 WHEN MATCHED THEN DELETE
MERGE INTO users u USING users v ON u.id = v.level WHEN MATCHED THEN UPDATE SET name = 'twice'
MERGE INTO users u USING kinds k ON u.id = k.id WHEN MATCHED THEN UPDATE SET id = 5
MERGE INTO users u USING kinds k ON u.id = k.id WHEN NOT MATCHED THEN INSERT (id, name) VALUES (k.id + 1, 'off')
MERGE INTO nosuch u USING kinds k ON u.id = k.id WHEN MATCHED THEN DELETE
WITH w AS (SELECT id FROM users WHERE level = 1) MERGE INTO orders o USING w ON w.id = o.user_id WHEN MATCHED THEN DELETE
MERGE INTO users u USING (SELECT $1::bigint AS id, $2::text AS name) s ON u.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name) @ 7 | x
MERGE INTO users u USING (SELECT $1::bigint AS id, $2::text AS name) s ON u.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name) @ 777 | x
BEGIN; MERGE INTO child c USING kinds k ON c.kind_id = k.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (k.id, 9); SELECT count(*), max(n) FROM child; COMMIT
-- A change in front of another: of every copy of a reference table, or of a key.
WITH a AS (UPDATE countries SET population = 55 RETURNING *) INSERT INTO notes SELECT 100 + population, code FROM a WHERE code = 'de'
WITH a AS (UPDATE countries SET population = 56 RETURNING *) INSERT INTO users (id, name) VALUES (201, 'a'), (202, 'b')
WITH a AS (UPDATE countries SET population = 57 RETURNING *) INSERT INTO users (id, name) VALUES (201, 'a')
WITH a AS (DELETE FROM countries RETURNING *) DELETE FROM users WHERE id = 7
WITH a AS (UPDATE countries SET population = 58 RETURNING *) UPDATE notes SET body = 'x' WHERE id = 1
WITH a AS (UPDATE countries SET population = 59 RETURNING *) DELETE FROM audit_log WHERE id = 1
WITH a AS (UPDATE countries SET population = 60 WHERE code = 'de' RETURNING population) UPDATE audit_log SET actor = a.population FROM a WHERE id = 2
WITH a AS (INSERT INTO countries (code, name) VALUES ('q', 'q') RETURNING code) INSERT INTO docs (code) SELECT code FROM a
WITH a AS (UPDATE users SET id = 5008 WHERE id = 7 RETURNING id) DELETE FROM orders WHERE user_id = 7
WITH a AS (UPDATE users SET level = 3 WHERE id = 7 RETURNING id) DELETE FROM orders WHERE user_id = 7
WITH a AS (INSERT INTO users (id, name) VALUES (203, 'n') RETURNING id) DELETE FROM orders WHERE user_id = 7
WITH a AS (DELETE FROM child WHERE kind_id = 4 RETURNING n) UPDATE kinds SET small = 9 WHERE id = 4
WITH a AS (DELETE FROM child RETURNING kind_id) UPDATE kinds SET small = 9 WHERE id = 4 RETURNING small
WITH a AS (DELETE FROM countries WHERE code = 'de' RETURNING code, name) INSERT INTO docs (code) SELECT 'x' || code FROM a RETURNING code
WITH a AS (UPDATE countries SET population = 61), b AS (DELETE FROM orders WHERE qty > 1 RETURNING user_id, id) INSERT INTO audit_log (id, actor) SELECT 5000 + row_number() OVER (ORDER BY user_id, id), user_id FROM b
WITH a AS (UPDATE countries SET population = 62 RETURNING code) INSERT INTO users (id, name) VALUES (7, 'dup')
WITH a AS (UPDATE countries SET population = 63 RETURNING code) INSERT INTO users (id, name) VALUES (7, 'x'), (301, 'y') ON CONFLICT (id) DO UPDATE SET name = excluded.name || '!' RETURNING id, name
WITH a AS (UPDATE countries SET population = 64 RETURNING code) INSERT INTO notes SELECT 900 + count(*), min(countries.code) FROM a, countries
WITH a AS (UPDATE countries SET population = 65 WHERE code = 'de' RETURNING code, population) INSERT INTO orders (user_id, id) SELECT u.id, a.population FROM a, users u WHERE u.id < 9
-- Errors of several shards: foreign keys are looked at last.
INSERT INTO child (kind_id, n) SELECT DISTINCT a.level % 1000000 + 1000, 1 FROM users a WHERE a.active IS NOT TRUE
-- Children of a table that is spread.
CREATE TABLE made () INHERITS (tenants); INSERT INTO made (id, plan) VALUES (100, 'a'), (101, 'b'), (102, 'c'); SELECT count(*) FROM tenants; SELECT count(*) FROM ONLY tenants; DROP TABLE made
-- A view over views.
CREATE VIEW extra_view AS SELECT g.id, t.total FROM grown g JOIN totals t ON t.user_id = g.id; DROP VIEW extra_view
-- What triggers, defaults and policies set off.
CREATE FUNCTION extra_stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.name := upper(NEW.name); RETURN NEW; END'; CREATE TRIGGER extra_t BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION extra_stamp(); INSERT INTO users (id, name) VALUES (201, 'a'), (202, 'b'), (203, 'c') RETURNING name; UPDATE users SET level = 1 RETURNING name; DROP TRIGGER extra_t ON users; DROP FUNCTION extra_stamp

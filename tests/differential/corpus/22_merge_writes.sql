-- MERGE between tables that live in different ways: one whole on a shard, the other spread, or on another shard.
MERGE INTO notes n USING users u ON n.id = u.id WHEN MATCHED THEN UPDATE SET body = u.name WHEN NOT MATCHED AND u.id > 30 THEN INSERT VALUES (u.id, u.email)
MERGE INTO notes n USING (SELECT user_id AS id, count(*) AS c FROM orders GROUP BY user_id) s ON n.id = s.id WHEN MATCHED THEN UPDATE SET body = s.c::text WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)
MERGE INTO notes n USING audit_log a ON n.id = a.id WHEN MATCHED AND a.actor = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET body = a.what WHEN NOT MATCHED THEN INSERT VALUES (a.id, 'new ' || a.what)
MERGE INTO audit_log a USING users ON a.id = users.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED AND users.level = 3 THEN INSERT VALUES (users.id, users.level, users.name)
MERGE INTO notes n USING users u ON n.id = u.level WHEN MATCHED THEN UPDATE SET body = 'twice'
MERGE INTO notes n USING users u ON n.id = u.id WHEN NOT MATCHED THEN INSERT VALUES (1, u.name)
MERGE INTO notes n USING users u ON n.id = u.id AND n.id < (SELECT count(*) FROM tenants) WHEN MATCHED THEN DELETE
MERGE INTO users u USING audit_log a ON u.id = a.id WHEN MATCHED THEN UPDATE SET name = a.what WHEN NOT MATCHED THEN INSERT (id, name) VALUES (a.id, a.what)
MERGE INTO users u USING (SELECT a.id + 6 AS id, n.body FROM audit_log a JOIN notes n ON n.id = a.id) s ON s.id = u.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, coalesce(s.body, 'none'))
MERGE INTO users u USING (SELECT o.user_id AS id, max(a.what) AS w FROM orders o JOIN audit_log a ON a.actor = o.qty GROUP BY 1) s ON s.id = u.id WHEN MATCHED THEN UPDATE SET email = s.w
MERGE INTO child c USING audit_log a ON c.kind_id = a.id AND c.n = 1 WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (kind_id, n) VALUES (a.id, 1)
MERGE INTO users u USING audit_log a ON u.id = a.id WHEN NOT MATCHED THEN INSERT (id, name) VALUES (a.id + 1, 'off')
BEGIN; MERGE INTO notes n USING users u ON n.id = u.id WHEN MATCHED THEN DELETE; SELECT count(*) FROM notes; ROLLBACK
-- A common table expression as the source.
WITH v(x, y) AS (VALUES (7, 'a'), (8, 'b'), (951, 'c'), (952, 'd')) MERGE INTO users u USING v ON u.id = v.x WHEN MATCHED AND u.level > 1 THEN DELETE WHEN MATCHED THEN UPDATE SET name = v.y WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.x, v.y)
WITH s AS (SELECT user_id AS id, count(*) AS c FROM orders GROUP BY user_id) MERGE INTO users u USING s ON u.id = s.id WHEN MATCHED THEN UPDATE SET level = s.c
WITH s AS (SELECT qty + 940 AS id, count(*) AS c FROM orders WHERE qty IS NOT NULL GROUP BY qty) MERGE INTO users u USING s AS t ON u.id = t.id WHEN MATCHED THEN UPDATE SET level = t.c WHEN NOT MATCHED THEN INSERT (id, name, level) VALUES (t.id, 'n', t.c)
WITH s AS (SELECT qty + 940 AS id FROM orders) MERGE INTO users u USING (SELECT DISTINCT id FROM s WHERE id IS NOT NULL) t ON u.id = t.id WHEN NOT MATCHED THEN INSERT (id, name) VALUES (t.id, 'n')
WITH users AS (SELECT id + 900 AS id, name FROM users) MERGE INTO users u USING users AS s ON u.id = s.id WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)
WITH a AS (SELECT 951 AS id), b AS (SELECT id FROM a) MERGE INTO users u USING b ON u.id = b.id WHEN NOT MATCHED THEN INSERT (id, name) VALUES (b.id, 'x')
WITH v AS (SELECT $1::bigint AS x, $2::text AS y UNION ALL SELECT 8, 'b') MERGE INTO users u USING v ON u.id = v.x WHEN MATCHED THEN UPDATE SET name = v.y WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.x, v.y) @ 951 | x
WITH v AS (SELECT id, what FROM audit_log) MERGE INTO users u USING v ON u.id = v.id WHEN MATCHED THEN UPDATE SET name = v.what
-- A reference table merged with what is elsewhere.
MERGE INTO countries c USING (SELECT DISTINCT country AS code FROM users WHERE country IS NOT NULL) s ON c.code = s.code WHEN MATCHED THEN UPDATE SET population = 1 WHEN NOT MATCHED THEN INSERT (code, name) VALUES (s.code, 'new')
MERGE INTO countries c USING (SELECT country AS code, count(*) AS n FROM users GROUP BY country) s ON c.code = s.code WHEN MATCHED THEN UPDATE SET population = s.n
MERGE INTO countries c USING audit_log a ON c.code = a.what WHEN NOT MATCHED THEN INSERT (code, name) VALUES (a.id::text, a.what)
MERGE INTO countries c USING users u ON c.code = u.country WHEN MATCHED THEN UPDATE SET population = u.level
MERGE INTO countries c USING (SELECT country, random() AS r FROM users) u ON c.code = u.country WHEN MATCHED THEN DELETE
MERGE INTO countries c USING (SELECT id, name FROM users ORDER BY name LIMIT 3) u ON c.code = u.name WHEN NOT MATCHED THEN INSERT (code, name) VALUES ('n' || u.id, u.name)
-- A source that is whole on one shard, for keys that are told and may all be of another.
MERGE INTO events t USING (SELECT s0.id AS id FROM audit_log s0 WHERE s0.id IN (5, 14)) s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)
MERGE INTO events t USING (SELECT s0.id AS id FROM audit_log s0 WHERE s0.id IN (1, 2)) s ON t.id = s.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)
MERGE INTO events t USING (SELECT s0.id AS id, s0.what AS what FROM audit_log s0 WHERE s0.id IN (3, 4, 90)) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET weight = s.id WHEN NOT MATCHED AND s.id < 29 THEN INSERT (id, kind) VALUES (s.id, s.what)
MERGE INTO users t USING (SELECT id, body FROM notes WHERE id IN (1, 3)) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET email = s.body WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, 'm')
MERGE INTO users t USING (SELECT id, body FROM notes WHERE id IN (1, 2)) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET email = s.body WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, 'm')
MERGE INTO users t USING (SELECT id, body FROM notes WHERE id IN ($1, $2)) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET email = s.body WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, 'm') @ 2 | 4
MERGE INTO users t USING (SELECT o.user_id AS id, max(o.note) AS n FROM orders o JOIN notes m ON m.id = o.user_id WHERE o.user_id IN (1, 3) GROUP BY 1) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET email = s.n WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, 'm')

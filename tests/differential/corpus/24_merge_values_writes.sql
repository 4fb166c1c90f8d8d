-- MERGE from rows that are written out: what ORMs say for an upsert.
MERGE INTO tenants t USING (VALUES (901, 'a')) s(x, y) ON t.id = s.x WHEN MATCHED THEN UPDATE SET plan = y WHEN NOT MATCHED THEN INSERT VALUES (x, y)
MERGE INTO users u USING (VALUES (7, 'seven')) s(id, name) ON u.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (id, name)
MERGE INTO users u USING (VALUES (907, 'new')) s(id, name) ON u.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (id, name)
MERGE INTO users AS u USING (SELECT 8 AS x, 'eight' AS y) s ON u.id = s.x WHEN MATCHED THEN UPDATE SET name = y WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, y)
MERGE INTO users USING (VALUES (7, 'a'), (8, 'b'), (908, 'c'), (909, 'd')) s(x, y) ON users.id = s.x WHEN MATCHED THEN UPDATE SET name = y WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, y)
MERGE INTO users USING (VALUES (7, 'a'), (7, 'b')) s(x, y) ON users.id = s.x WHEN MATCHED THEN UPDATE SET name = y
MERGE INTO users USING (VALUES (910, 'a'), (910, 'b')) s(x, y) ON users.id = s.x WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, y)
MERGE INTO users USING (VALUES (7), (8), (NULL)) s(x) ON users.id = s.x WHEN MATCHED THEN DELETE
MERGE INTO users USING (VALUES (7), (8.5), (9.0)) s(x) ON users.id = s.x WHEN MATCHED THEN DELETE
MERGE INTO users USING (VALUES (7), ('8')) s(x) ON users.id = s.x WHEN MATCHED THEN DELETE
MERGE INTO users USING (VALUES ('7'), ('8')) s(x) ON users.id = s.x WHEN MATCHED THEN DELETE
MERGE INTO users USING (VALUES (7::smallint), (8::smallint)) s(x) ON users.id = s.x WHEN MATCHED THEN DELETE
MERGE INTO users USING (VALUES (-7), (+8)) s(x) ON users.id = s.x WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, 'minus')
MERGE INTO users USING (VALUES (911.5, 'a')) s(x, y) ON users.id = s.x WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, y)
MERGE INTO users USING (VALUES (911.4, 'a'), (913.5, 'b')) s(x, y) ON users.id = s.x WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, y)
MERGE INTO users USING (VALUES (99999999999999999999, 'a')) s(x, y) ON users.id = s.x WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, y)
MERGE INTO users USING (SELECT NULL::bigint AS x) s ON users.id = s.x WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, 'null')
MERGE INTO users USING (SELECT NULL AS x) s ON users.id = s.x WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, 'null')
MERGE INTO users USING (VALUES (9::float8)) s(x) ON users.id = s.x WHEN MATCHED THEN DELETE
MERGE INTO users USING (SELECT 9 AS x WHERE false) s ON users.id = s.x WHEN MATCHED THEN DELETE
MERGE INTO users USING (VALUES (9, 'nine')) s(x, y) ON users.id = s.x AND users.level > 100 WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, y)
MERGE INTO users USING (VALUES (9, 'nine')) s(x, y) ON users.id = s.x WHEN MATCHED AND y = 'ten' THEN DELETE WHEN MATCHED THEN UPDATE SET name = y || x
MERGE INTO users USING (VALUES (915, 'x')) s(x, y) ON users.id = s.x WHEN NOT MATCHED AND x > 1000 THEN INSERT (id, name) VALUES (x, y) WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, 'other')
MERGE INTO users USING (VALUES (915, 'x')) s(x, y) ON users.id = s.x WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x + 1, y)
MERGE INTO users USING (VALUES (915, 'x')) s(x, y) ON users.id = 7 WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, y)
MERGE INTO users USING (VALUES (915, 'x')) s(x, y) ON users.id = 7 WHEN MATCHED THEN UPDATE SET name = y
MERGE INTO docs d USING (VALUES ('zz', 'new'), ('c1', 'old')) s(code, title) ON d.code = s.code WHEN MATCHED THEN UPDATE SET title = s.title WHEN NOT MATCHED THEN INSERT (code, title) VALUES (code, title)
MERGE INTO docs d USING (VALUES ('zz ', 'new')) s(x, y) ON d.code = s.x WHEN NOT MATCHED THEN INSERT (code, title) VALUES (x, y)
MERGE INTO docs d USING (SELECT 'zz'::varchar AS x) s ON d.code = s.x WHEN NOT MATCHED THEN INSERT (code) VALUES (x)
MERGE INTO docs d USING (SELECT 'zz'::char(4) AS x) s ON d.code = s.x WHEN NOT MATCHED THEN INSERT (code) VALUES (x)
MERGE INTO docs d USING (VALUES (5)) s(x) ON d.code = s.x WHEN NOT MATCHED THEN INSERT (code) VALUES (x)
MERGE INTO logins l USING (VALUES ('00000000-0000-0000-0000-0000000000ff'::uuid, 7)) s(x, y) ON l.id = s.x WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, user_id) VALUES (x, y)
MERGE INTO logins l USING (VALUES ('00000000-0000-0000-0000-0000000000ff', 7)) s(x, y) ON l.id = s.x WHEN NOT MATCHED THEN INSERT (id, user_id) VALUES (x, y)
MERGE INTO readings r USING (VALUES (1, 'mo', 2.5)) s(a, b, c) ON r.device = s.a AND r.day = s.b WHEN MATCHED THEN UPDATE SET value = c WHEN NOT MATCHED THEN INSERT VALUES (a, b, c)
MERGE INTO readings r USING (VALUES (901, 'mo', 2.5), (902, 'di', 3)) s(a, b, c) ON r.device = s.a AND r.day = s.b WHEN MATCHED THEN UPDATE SET value = c WHEN NOT MATCHED THEN INSERT VALUES (a, b, c)
MERGE INTO readings r USING (VALUES (901, 'mo', 2.5)) s(a, b, c) ON r.device = s.a WHEN MATCHED THEN UPDATE SET value = c
MERGE INTO readings r USING (VALUES (901, 'mo', 2.5)) s(a, b, c) ON r.device = s.a AND r.day = s.b WHEN NOT MATCHED THEN INSERT VALUES (a, 'di', c)
MERGE INTO orders o USING (VALUES (7, 901, 5)) s(u, i, q) ON o.user_id = s.u AND o.id = s.i WHEN MATCHED THEN UPDATE SET qty = q WHEN NOT MATCHED THEN INSERT (user_id, id, qty) VALUES (u, i, q)
MERGE INTO orders o USING (VALUES (7, 901, 5), (8, 901, 6), (9, 901, 7)) s(u, i, q) ON o.user_id = s.u AND o.id = s.i WHEN MATCHED THEN UPDATE SET qty = q WHEN NOT MATCHED THEN INSERT (user_id, id, qty) VALUES (u, i, q)
MERGE INTO events e USING (VALUES (1, 'k'), (2, 'l'), (950, 'm')) s(id, kind) ON e.id = s.id WHEN MATCHED THEN UPDATE SET kind = s.kind WHEN NOT MATCHED THEN INSERT (id, kind) VALUES (id, kind)
MERGE INTO regions r USING (VALUES ('eu', 3), ('us', 4)) s(code, size) ON r.code = s.code WHEN MATCHED THEN UPDATE SET size = s.size WHEN NOT MATCHED THEN INSERT VALUES (code, size)
MERGE INTO countries c USING (VALUES ('xx', 'Xland', 1), ('de', 'D', 2)) s(code, name, p) ON c.code = s.code WHEN MATCHED THEN UPDATE SET population = p WHEN NOT MATCHED THEN INSERT VALUES (code, name, p)
MERGE INTO notes n USING (VALUES (1, 'one'), (950, 'two')) s(x, y) ON n.id = s.x WHEN MATCHED THEN UPDATE SET body = y WHEN NOT MATCHED THEN INSERT VALUES (x, y)
WITH v AS (SELECT 7 AS x, 'seven' AS y) MERGE INTO users USING v ON users.id = v.x WHEN MATCHED THEN UPDATE SET name = y
WITH v(x, y) AS (VALUES (7, 'seven'), (8, 'eight')) MERGE INTO users USING v ON users.id = v.x WHEN MATCHED THEN UPDATE SET name = y WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, y)
MERGE INTO users USING (SELECT v.x, v.y FROM (VALUES (7, 'a'), (8, 'b')) v(x, y)) s ON users.id = s.x WHEN MATCHED THEN UPDATE SET name = y WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, y)
MERGE INTO users USING (SELECT 7 AS x UNION ALL SELECT 907) s ON users.id = s.x WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, 'u')
MERGE INTO users u USING (SELECT 1) s ON u.id = 7 WHEN MATCHED THEN UPDATE SET name = 'once' WHEN NOT MATCHED THEN INSERT (id, name) VALUES (7, 'once')
MERGE INTO users u USING (SELECT 1) s ON u.id = 911.5 WHEN NOT MATCHED THEN INSERT (id, name) VALUES (911.5, 'half')
MERGE INTO users u USING (SELECT 1) s ON u.id = NULL WHEN NOT MATCHED THEN INSERT (id, name) VALUES (NULL, 'half')
MERGE INTO users u USING (SELECT $1::bigint AS x, $2::text AS y) s ON u.id = s.x WHEN MATCHED THEN UPDATE SET name = y WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, y) @ 7 | seven
MERGE INTO users u USING (SELECT $1::bigint AS x, $2::text AS y) s ON u.id = s.x WHEN MATCHED THEN UPDATE SET name = y WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, y) @ 927 | new
MERGE INTO users u USING (SELECT CAST($1 AS bigint) AS id, $2 AS name) s ON u.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name) @ 927 | new
MERGE INTO users u USING (VALUES ($1::bigint, $2)) s(x, y) ON u.id = s.x WHEN MATCHED THEN UPDATE SET name = y WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, y) @ 927 | new
MERGE INTO users u USING (VALUES ($1, $2)) s(x, y) ON u.id = s.x WHEN MATCHED THEN UPDATE SET name = y WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, y) @ 927 | new
MERGE INTO users u USING (VALUES ($1::numeric, $2)) s(x, y) ON u.id = s.x WHEN MATCHED THEN UPDATE SET name = y WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, y) @ 927.5 | new
MERGE INTO users u USING (VALUES ($1::bigint, $2)) s(x, y) ON u.id = s.x WHEN MATCHED THEN UPDATE SET name = y WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, y) @ \N | new
MERGE INTO users u USING (VALUES ($1::bigint, $2), ($3::bigint, $4)) s(x, y) ON u.id = s.x WHEN MATCHED THEN UPDATE SET name = y WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, y) @ 7 | seven | 928 | new
MERGE INTO users u USING (VALUES ($1::bigint, $2), ($3::bigint, $4)) s(x, y) ON u.id = s.x WHEN MATCHED THEN UPDATE SET name = y WHEN NOT MATCHED THEN INSERT (id, name) VALUES (x, y) @ 7 | seven | 7 | new
MERGE INTO users u USING (VALUES ($1::bigint), ($2::bigint)) s(x) ON u.id = s.x WHEN MATCHED THEN DELETE @ 7 | 8
MERGE INTO users u USING (SELECT 1) s ON u.id = $1 WHEN MATCHED THEN UPDATE SET name = $2 WHEN NOT MATCHED THEN INSERT (id, name) VALUES ($1, $2) @ 7 | seven
MERGE INTO users u USING (SELECT 1) s ON u.id = $1 WHEN MATCHED THEN UPDATE SET name = $2 WHEN NOT MATCHED THEN INSERT (id, name) VALUES ($1, $2) @ 929 | new
MERGE INTO users u USING (SELECT 1) s ON u.id = $1 WHEN NOT MATCHED THEN INSERT (id, name) VALUES ($1, $1::text) @ 929
MERGE INTO users u USING (SELECT 1) s ON u.id = $1 WHEN NOT MATCHED THEN INSERT (id, name) VALUES ($1, 'x') @ 929.5
MERGE INTO users u USING (SELECT 1) s ON u.id = $1 WHEN NOT MATCHED THEN INSERT (id, name) VALUES ($1, 'x') @ \N
MERGE INTO users u USING (SELECT $1 AS y) s ON u.id = $1 WHEN NOT MATCHED THEN INSERT (id, name) VALUES ($1, 'x') @ 929
MERGE INTO users u USING (SELECT $1::numeric AS y) s ON u.id = $1 WHEN NOT MATCHED THEN INSERT (id, name) VALUES ($1, 'x') @ 929.5
MERGE INTO users u USING (SELECT 1) s ON u.id = $1 AND u.score = $1 WHEN NOT MATCHED THEN INSERT (id, name) VALUES ($1, 'x') @ 929
MERGE INTO docs d USING (SELECT $1::text AS x, $2::int AS y) s ON d.code = s.x WHEN MATCHED THEN UPDATE SET size = y WHEN NOT MATCHED THEN INSERT (code, size) VALUES (x, y) @ zz | 3
MERGE INTO docs d USING (SELECT $1 AS x, $2::int AS y) s ON d.code = s.x WHEN MATCHED THEN UPDATE SET size = y WHEN NOT MATCHED THEN INSERT (code, size) VALUES (x, y) @ zz | 3
MERGE INTO readings r USING (VALUES ($1::bigint, $2::text, $3::float8)) s(a, b, c) ON r.device = s.a AND r.day = s.b WHEN MATCHED THEN UPDATE SET value = c WHEN NOT MATCHED THEN INSERT VALUES (a, b, c) @ 901 | mo | 2.5
MERGE INTO users u USING (SELECT 1) s ON u.id = 7 WHEN MATCHED AND u.name = 'x' THEN UPDATE SET name = 'y' WHEN MATCHED THEN UPDATE SET name = 'yy', level = 12 WHEN NOT MATCHED THEN INSERT (name, level, id) VALUES ('z', 11, 7)
MERGE INTO users u USING (SELECT 1) s ON u.id = 941 WHEN MATCHED AND u.name = 'x' THEN UPDATE SET name = 'y' WHEN NOT MATCHED AND 3 > 4 THEN INSERT (id, name) VALUES (941, 'no') WHEN NOT MATCHED THEN INSERT (name, level, id) VALUES ('z', 11, 941)
MERGE INTO users u USING (SELECT 1) s ON u.id = 941 WHEN NOT MATCHED THEN INSERT (name, level, id) VALUES ('z', 11, 941.4)
MERGE INTO readings r USING (SELECT 1) s ON r.device = 941 AND r.day = 'mo' WHEN MATCHED THEN UPDATE SET value = 1 WHEN NOT MATCHED THEN INSERT (value, day, device) VALUES (2, 'mo', 941)

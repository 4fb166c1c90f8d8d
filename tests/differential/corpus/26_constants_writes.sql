-- Changes by rows that are written out.
UPDATE users u SET name = v.y FROM (VALUES (7, 'a'), (8, 'b'), (9, 'c')) v(x, y) WHERE u.id = v.x
UPDATE users u SET name = v.y FROM (SELECT 7 AS x, 'a' AS y) v WHERE u.id = v.x
UPDATE users u SET name = v.y FROM (VALUES ($1::bigint, $2), ($3, $4)) v(x, y) WHERE u.id = v.x @ 7 | a | 8 | b
UPDATE users u SET name = v.y FROM (VALUES ($1::bigint, $2), ($3::bigint, $4)) v(x, y) WHERE u.id = v.x RETURNING u.id @ 7 | a | 8 | b
DELETE FROM users u USING (VALUES (7), (8)) v(x) WHERE u.id = v.x RETURNING u.id
DELETE FROM users WHERE id IN (VALUES (7), (8))
WITH v(x, y) AS (VALUES (7, 'a'), (8, 'b')) UPDATE users u SET name = v.y FROM v WHERE u.id = v.x
INSERT INTO users (id, name) SELECT x, y FROM (VALUES (931, 'a'), (932, 'b')) v(x, y) WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.id = v.x)
INSERT INTO users (id, name) SELECT 931, 'a' WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.id = 931)
INSERT INTO orders (user_id, id, qty) SELECT u.id, 931, v.y FROM users u JOIN (VALUES (7, 1), (8, 2)) v(x, y) ON u.id = v.x

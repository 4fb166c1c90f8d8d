-- Rows written out in FROM: what is compared with them is of their keys alone.
SELECT u.id, u.name, v.y FROM (VALUES (7, 'a'), (8, 'b')) v(x, y) JOIN users u ON u.id = v.x
SELECT u.id, u.name, v.y FROM (VALUES (7, 'a'), (8, 'b')) v(x, y) LEFT JOIN users u ON u.id = v.x
SELECT u.id, u.name FROM users u JOIN (SELECT 7 AS x) v ON u.id = v.x
SELECT u.id, v.x FROM users u RIGHT JOIN (SELECT 7 AS x) v ON u.id = v.x
SELECT u.id, v.x FROM users u LEFT JOIN (SELECT 7 AS x) v ON u.id = v.x WHERE u.level = 2
SELECT u.id, v.x FROM users u FULL JOIN (SELECT 7 AS x) v ON u.id = v.x
SELECT u.id FROM users u, (VALUES (7), (NULL), (8.0)) v(x) WHERE u.id = v.x
SELECT u.id FROM users u, (VALUES (7), (8.5)) v(x) WHERE u.id = v.x
SELECT u.id FROM users u, (VALUES ('7'), (8)) v(x) WHERE u.id = v.x
SELECT u.id FROM users u, (VALUES ('7'), (8.5)) v(x) WHERE u.id = v.x
SELECT u.id FROM users u, (VALUES ('7')) v(x) WHERE u.id = v.x
SELECT u.id FROM users u, (VALUES (7::float8), (8)) v(x) WHERE u.id = v.x
SELECT u.id FROM users u, (VALUES (7::bigint), (8)) v(x) WHERE u.id = v.x
SELECT count(*) FROM users u, (VALUES (7), (8)) v(x) WHERE u.id = v.x
SELECT count(*) FROM users u WHERE u.id IN (VALUES (7), (8))
SELECT count(*) FROM users u WHERE u.id IN (SELECT 7)
SELECT u.id FROM users u WHERE u.id IN (SELECT 7 UNION SELECT 8)
SELECT u.id FROM users u WHERE EXISTS (SELECT 1 FROM (VALUES (7), (8)) v(x) WHERE v.x = u.id)
SELECT (SELECT max(o.id) FROM orders o WHERE o.user_id = v.x) FROM (VALUES (7), (8)) v(x)
SELECT v.x, (SELECT count(*) FROM orders o WHERE o.user_id = v.x) FROM (SELECT 7 AS x) v
SELECT v.x, o.id FROM (VALUES (7), (8)) v(x), LATERAL (SELECT id FROM orders WHERE user_id = v.x) o
SELECT u.id, o.id FROM (VALUES (7), (8)) v(x) JOIN users u ON u.id = v.x JOIN orders o ON o.user_id = u.id
SELECT u.id, o.id FROM (VALUES (7), (8)) v(x) JOIN users u ON u.id = v.x JOIN orders o ON o.user_id = v.x
SELECT u.id, o.id FROM (SELECT 7 AS x) v JOIN users u ON u.id = v.x JOIN orders o ON o.user_id = v.x
SELECT w.x, u.id FROM (SELECT s.x FROM countries c LEFT JOIN (SELECT 7 AS x) s ON c.code = 'de') w JOIN users u ON u.id = w.x
SELECT u.id FROM users u JOIN (SELECT x FROM (VALUES (7), (8)) v(x) LIMIT 1 OFFSET 1) w ON u.id = w.x
SELECT u.id FROM users u JOIN (SELECT DISTINCT x FROM (VALUES (7), (8)) v(x)) w ON u.id = w.x
SELECT u.id FROM users u JOIN (SELECT x FROM (VALUES (7), (8)) v(x) GROUP BY ROLLUP (x)) w ON u.id = w.x
SELECT u.id FROM users u JOIN (SELECT max(x) AS x FROM (VALUES (7), (8)) v(x)) w ON u.id = w.x
WITH v(x) AS (VALUES (7), (8)) SELECT u.id FROM users u JOIN v ON u.id = v.x
WITH v(x) AS (VALUES (7), (8)) SELECT u.id, b.x FROM users u JOIN v ON u.id = v.x JOIN v b ON true
WITH v AS (SELECT 7 AS x) SELECT u.id, o.id FROM users u, v, orders o WHERE u.id = v.x AND o.user_id = v.x
SELECT d.code FROM docs d, (VALUES ('c1'), ('c2')) v(x) WHERE d.code = v.x
SELECT d.code FROM docs d, (VALUES ('c1'::char(5)), ('c2')) v(x) WHERE d.code = v.x
SELECT d.code FROM docs d, (VALUES (1), (2)) v(x) WHERE d.code = v.x
SELECT r.device, r.day FROM readings r JOIN (VALUES (1, 'mo'), (2, 'di')) v(a, b) ON r.device = v.a AND r.day = v.b
SELECT r.device, r.day FROM readings r JOIN (VALUES (1, 'mo'), (2, 'di')) v(a, b) ON (r.device, r.day) = (v.a, v.b)
SELECT u.id FROM users u, (VALUES (7), (8)) v(id) WHERE u.id = v.id
SELECT id FROM users JOIN (VALUES (7), (8)) v(id) USING (id)
SELECT u.id FROM users u JOIN (VALUES (7), (8)) v(x) ON u.id = x
SELECT u.id FROM users u JOIN (VALUES (7), (8)) v(x) ON u.id <> v.x WHERE u.level = 1
SELECT u.id FROM users u JOIN (VALUES (7), (8)) v(x) ON u.id = v.x OR u.level = 1
SELECT u.id FROM users u JOIN (SELECT $1::bigint AS x) v ON u.id = v.x @ 7
SELECT u.id FROM users u JOIN (SELECT $1::bigint AS x) v ON u.id = v.x WHERE u.level < $1 @ 7
SELECT u.id FROM users u JOIN (VALUES ($1::bigint), ($2::bigint)) v(x) ON u.id = v.x @ 7 | 8
SELECT u.id FROM users u JOIN (VALUES ($1), ($2)) v(x) ON u.id = v.x @ 7 | 8
SELECT u.id FROM users u JOIN (VALUES ($1::int), ($2::numeric)) v(x) ON u.id = v.x @ 7 | 8.0
SELECT u.id FROM users u JOIN (VALUES ($1), (8)) v(x) ON u.id = v.x @ 7
SELECT d.code FROM docs d JOIN (VALUES ($1), ($2)) v(x) ON d.code = v.x @ c1 | c2
SELECT d.code FROM docs d JOIN (SELECT $1 AS x) v ON d.code = v.x @ c1
SELECT u.id FROM users u JOIN (SELECT $1 AS x) v ON u.id = v.x @ 7

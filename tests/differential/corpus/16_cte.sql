-- Common table expressions, recursion, set operations.
WITH w AS (SELECT * FROM users WHERE level = 2) SELECT count(*) FROM w
WITH w AS (SELECT * FROM users WHERE level = 2) SELECT country, count(*) FROM w GROUP BY country
WITH w AS (SELECT id, level FROM users) SELECT a.id, b.id FROM w a JOIN w b ON a.level = b.level AND a.id < b.id
WITH w AS (SELECT id, level FROM users) SELECT a.id, b.id FROM w a JOIN w b ON a.id = b.id
WITH w (x, y) AS (SELECT country, count(*) FROM users GROUP BY country) SELECT max(y) FROM w
WITH w AS (SELECT country, count(*) AS n FROM users GROUP BY country), v AS (SELECT avg(n) AS a FROM w) SELECT country FROM w, v WHERE n > a
WITH w AS NOT MATERIALIZED (SELECT id FROM users) SELECT count(*) FROM w, orders o WHERE o.user_id = w.id
WITH w AS (SELECT id FROM users ORDER BY score DESC NULLS LAST, id LIMIT 3) SELECT u.name FROM users u JOIN w ON w.id = u.id
WITH w AS (SELECT 1 AS one) SELECT one, count(*) FROM w, users GROUP BY one
WITH w AS (SELECT user_id, sum(total) AS t FROM orders GROUP BY user_id) SELECT u.country, sum(t) FROM users u JOIN w ON w.user_id = u.id GROUP BY u.country
WITH unused AS (SELECT * FROM orders) SELECT count(*) FROM users
WITH a AS (SELECT id FROM users), b AS (SELECT id FROM a WHERE id > 5) SELECT count(*) FROM b
!WITH w AS (SELECT id, name FROM users) SELECT id FROM w ORDER BY name, id LIMIT 4
WITH users AS (SELECT 1 AS id) SELECT * FROM users
WITH users AS (SELECT * FROM users WHERE level = 1) SELECT count(*) FROM users
WITH w AS (SELECT id FROM users WHERE id = 7) SELECT count(*) FROM users, w
SELECT * FROM (WITH w AS (SELECT level, count(*) AS n FROM users GROUP BY level) SELECT * FROM w WHERE n > 3) x
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n, count(u.id) FROM r LEFT JOIN users u ON u.level = r.n GROUP BY n
WITH RECURSIVE r AS (SELECT id, level FROM users WHERE id = 1 UNION ALL SELECT u.id, u.level FROM users u JOIN r ON u.id = r.id + 3) SELECT count(*), sum(level) FROM r
WITH RECURSIVE r AS (SELECT min(id) AS id FROM users WHERE id > 0 UNION SELECT u.id FROM users u, r WHERE u.id = r.id * 2) SELECT id FROM r
WITH RECURSIVE r(id, depth) AS (SELECT user_id, 1 FROM orders WHERE qty = 3 UNION SELECT o.id, depth + 1 FROM orders o JOIN r ON o.user_id = r.id WHERE depth < 4) SELECT depth, count(*) FROM r GROUP BY depth
SELECT country FROM users UNION SELECT code FROM countries UNION SELECT code FROM regions
SELECT id FROM users UNION ALL SELECT user_id FROM orders UNION ALL SELECT id FROM events
(SELECT id FROM users EXCEPT SELECT user_id FROM orders) UNION ALL SELECT -7
SELECT id FROM users EXCEPT ALL SELECT user_id FROM orders
SELECT user_id FROM orders INTERSECT ALL SELECT user_id FROM items
SELECT level FROM users UNION SELECT qty FROM orders
SELECT level, country FROM users INTERSECT SELECT qty, 'de' FROM orders
!SELECT level FROM users UNION SELECT qty FROM orders ORDER BY level NULLS FIRST
!SELECT id FROM users UNION ALL SELECT user_id FROM orders ORDER BY id
!SELECT id, name FROM users UNION ALL SELECT id, body FROM notes ORDER BY 2, 1 LIMIT 5
!(SELECT id FROM users ORDER BY level NULLS LAST, id LIMIT 2) UNION ALL (SELECT user_id FROM orders ORDER BY total DESC NULLS LAST, user_id, id LIMIT 2) ORDER BY 1
SELECT count(*) FROM (SELECT id FROM users UNION SELECT id FROM events) x
SELECT 1 WHERE EXISTS (SELECT id FROM users INTERSECT SELECT id FROM tenants)
SELECT sum(x) FROM (SELECT level AS x FROM users UNION ALL SELECT qty FROM orders) y
SELECT name FROM users WHERE level = 1 UNION SELECT name FROM users WHERE level = 2
SELECT name FROM users WHERE id = 1 UNION SELECT name FROM users WHERE id = 4 UNION SELECT name FROM users WHERE id = 9
(SELECT id FROM users)
!(SELECT id FROM users) ORDER BY id LIMIT 3
!((SELECT id FROM users ORDER BY id LIMIT 5)) ORDER BY id DESC LIMIT 2
(SELECT count(*) FROM users) UNION ALL (SELECT count(*) FROM orders)
SELECT * FROM grown
SELECT count(*) FROM grown
SELECT * FROM grown WHERE id = 7
SELECT * FROM totals
SELECT max(total) FROM totals
SELECT * FROM totals WHERE user_id = 7
SELECT * FROM per_country
SELECT * FROM grown_totals
SELECT g.name, o.id FROM grown g JOIN orders o ON o.user_id = g.id
!SELECT name, id FROM grown ORDER BY name, id LIMIT 5
SELECT count(*) FROM users u, pg_class c WHERE c.relname = u.name
SELECT count(*) FROM pg_class WHERE relname IN (SELECT name FROM users)
SELECT count(*) FROM users, information_schema.tables WHERE table_name = 'users'
SELECT count(*) FROM pg_class c, users u WHERE c.relname IN ('users', 'orders') AND u.level = 2
SELECT c.relname, count(*) FROM pg_class c JOIN users u ON c.relname = 'users' WHERE u.active GROUP BY c.relname
SELECT relname FROM pg_class WHERE relname LIKE 'shunt%' AND EXISTS (SELECT 1 FROM users WHERE level = 2)
SELECT u.name, t.table_name FROM users u JOIN information_schema.tables t ON t.table_name = 'users' WHERE u.id < 4 AND t.table_schema = 'public'
SELECT count(*), max(u.mood), max(u.name) FROM users u, pg_namespace n WHERE n.nspname = 'public'

-- Set operations, recursion and other shapes.
SELECT id FROM users UNION SELECT user_id FROM orders
SELECT id FROM users UNION ALL SELECT user_id FROM orders
SELECT id FROM users INTERSECT SELECT user_id FROM orders
SELECT id FROM users EXCEPT SELECT user_id FROM orders
SELECT country FROM users UNION SELECT code FROM countries
SELECT country FROM users INTERSECT SELECT code FROM countries
SELECT code FROM countries EXCEPT SELECT country FROM users
SELECT code FROM countries UNION ALL SELECT country FROM users
SELECT level FROM users INTERSECT ALL SELECT qty FROM orders
!SELECT id FROM users UNION SELECT user_id FROM orders ORDER BY 1 LIMIT 5
SELECT id FROM users WHERE id = 1 UNION ALL SELECT id FROM users WHERE id = 3
SELECT 1 UNION SELECT id FROM users WHERE id < 3
SELECT 1 UNION ALL SELECT 2
VALUES (1) UNION SELECT code::int FROM countries WHERE false
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT u.id FROM users u JOIN r ON r.n = u.id
WITH RECURSIVE r(id) AS (SELECT id FROM users WHERE id = 1 UNION ALL SELECT u.id FROM users u JOIN r ON u.id = r.id + 1 WHERE u.id < 6) SELECT id FROM r
WITH a AS (SELECT id FROM users), b AS (SELECT user_id FROM orders) SELECT count(*) FROM a, b
WITH a AS MATERIALIZED (SELECT id, level FROM users) SELECT level, count(*) FROM a GROUP BY level
SELECT * FROM (SELECT id FROM users UNION ALL SELECT user_id FROM orders) x WHERE id = 7
SELECT id FROM users WHERE id IN (SELECT user_id FROM orders UNION SELECT 1000)
SELECT id FROM users WHERE level >= ALL (SELECT level FROM users WHERE level IS NOT NULL)
SELECT id FROM users WHERE level > ANY (SELECT qty FROM orders)
SELECT ARRAY(SELECT id FROM users WHERE id IN (1, 2) ORDER BY id)
SELECT id, ARRAY(SELECT o.id FROM orders o WHERE o.user_id = u.id ORDER BY o.id) FROM users u
SELECT x FROM unnest(ARRAY[1, 2, 3]) x WHERE x IN (SELECT id FROM users)
SELECT g, (SELECT count(*) FROM users WHERE level = g) FROM generate_series(0, 4) g
SELECT relname FROM pg_class WHERE relname = 'users'
SELECT count(*) > 0 FROM pg_class c, users u
SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1
SELECT current_database() IS NOT NULL
SELECT current_schema()
SELECT nothing FROM users
SELECT * FROM missing
SELECT id FROM users WHERE
SELECT id FROM users WHERE missing = 1
SELECT 1 / 0
SELECT id / 0 FROM users
SELECT id FROM users WHERE id = 7 AND 1 / 0 = 1
SELECT name::int FROM users
SELECT nosuchfunction(id) FROM users
SELECT count(*) FROM nosuchtable
SELECT id, count(*) FROM users
SELECT users.id FROM users, orders WHERE id = 1

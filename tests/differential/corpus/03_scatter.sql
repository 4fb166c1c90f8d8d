-- Rows of all shards, in any order.
SELECT * FROM users
SELECT id, name FROM users
SELECT id, upper(name), score * 2 FROM users
SELECT id FROM users WHERE active
SELECT id FROM users WHERE name = 'ann'
SELECT id FROM users WHERE email IS NULL
SELECT id FROM users WHERE mood = 'ok'
SELECT id, mood FROM users
SELECT id FROM users WHERE tags @> ARRAY['t1']
SELECT id, extra ->> 's' FROM users WHERE extra @> '{"n": 1}'
SELECT id, CASE WHEN active THEN 'yes' WHEN active IS NULL THEN 'unknown' ELSE 'no' END FROM users
SELECT u.id, o.id, o.total FROM users u JOIN orders o ON o.user_id = u.id
SELECT u.id, o.id FROM users u LEFT JOIN orders o ON o.user_id = u.id
SELECT u.id, o.id FROM users u RIGHT JOIN orders o ON o.user_id = u.id
SELECT u.id, o.id FROM users u FULL JOIN orders o ON o.user_id = u.id
SELECT u.id, o.user_id, i.n FROM users u JOIN orders o ON o.user_id = u.id JOIN items i ON i.user_id = o.user_id AND i.order_id = o.id
SELECT u.id, o.id FROM users u, orders o WHERE u.id = o.user_id AND o.qty = 2
SELECT u.id, c.name FROM users u JOIN countries c ON c.code = u.country
SELECT u.id, c.name FROM users u LEFT JOIN countries c ON c.code = u.country
SELECT u.id, c.name FROM users u RIGHT JOIN countries c ON c.code = u.country
SELECT u.id, c.name FROM countries c LEFT JOIN users u ON c.code = u.country
SELECT u.id, c.name FROM users u FULL JOIN countries c ON c.code = u.country
SELECT c.code FROM countries c WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.country = c.code)
SELECT c.code FROM countries c WHERE EXISTS (SELECT 1 FROM users u WHERE u.country = c.code)
SELECT c.code FROM countries c WHERE c.code IN (SELECT country FROM users)
SELECT c.code FROM countries c WHERE c.code NOT IN (SELECT country FROM users WHERE country IS NOT NULL)
SELECT c.code, (SELECT count(*) FROM users u WHERE u.country = c.code) FROM countries c
SELECT u.id FROM users u WHERE u.country IN (SELECT code FROM countries WHERE population > 100000000)
SELECT u.id FROM users u WHERE EXISTS (SELECT 1 FROM countries c WHERE c.code = u.country)
SELECT u.id FROM users u WHERE NOT EXISTS (SELECT 1 FROM countries c WHERE c.code = u.country)
SELECT u.id FROM users u CROSS JOIN countries c WHERE c.code = 'de'
SELECT a.id, b.id FROM users a JOIN users b ON a.name = b.name AND a.id < b.id
SELECT a.id, b.id FROM users a CROSS JOIN users b WHERE a.id < 4 AND b.id < 4
SELECT u.id, o.id FROM users u JOIN orders o ON o.id = u.id
SELECT u.id, o.id FROM users u JOIN orders o ON o.user_id > u.id WHERE u.id < 4 AND o.user_id < 6
SELECT u.id, d.code FROM users u JOIN docs d ON d.size = u.id
SELECT u.id, l.at FROM users u JOIN logins l ON l.user_id = u.id
SELECT u.id, t.plan FROM users u JOIN tenants t ON t.id = u.id
SELECT u.id, a.what FROM users u JOIN audit_log a ON a.actor = u.id
SELECT s.id FROM (SELECT id FROM users WHERE active) s
SELECT s.id, o.id FROM (SELECT id FROM users WHERE active) s JOIN orders o ON o.user_id = s.id
WITH a AS (SELECT id FROM users WHERE active) SELECT id FROM a
WITH a AS (SELECT id FROM users WHERE active) SELECT a.id, o.id FROM a JOIN orders o ON o.user_id = a.id
SELECT u.id, x.total FROM users u, LATERAL (SELECT total FROM orders o WHERE o.user_id = u.id ORDER BY o.id LIMIT 1) x
SELECT u.id, x.total FROM users u LEFT JOIN LATERAL (SELECT max(total) AS total FROM orders o WHERE o.user_id = u.id) x ON true
SELECT u.id, (SELECT sum(total) FROM orders o WHERE o.user_id = u.id) FROM users u
SELECT id, (SELECT max(code) FROM countries) FROM users
SELECT id, (SELECT count(*) FROM orders) FROM users
SELECT id FROM users WHERE score > (SELECT avg(score) FROM users WHERE score <> 'NaN')
SELECT id, generate_series(1, 2) FROM users WHERE id < 4
SELECT id, unnest(tags) FROM users
SELECT user_id, id FROM orders WHERE (user_id, id) IN (SELECT user_id, order_id FROM items WHERE sku = 'pear')
SELECT ctid IS NOT NULL FROM users
SELECT tableoid::regclass FROM users WHERE id < 3
SELECT id FROM users FOR UPDATE
SELECT id FROM users TABLESAMPLE BERNOULLI (100)
SELECT count(*) FROM users TABLESAMPLE BERNOULLI (0)
SELECT count(*) FROM users TABLESAMPLE SYSTEM (100)
SELECT id FROM users u TABLESAMPLE BERNOULLI (100) WHERE u.level = 2
!SELECT id FROM users WHERE level = 2 ORDER BY id LIMIT 3 FOR UPDATE
!SELECT id FROM users ORDER BY level DESC, id FOR NO KEY UPDATE OF users LIMIT 3
!SELECT u.id, o.id FROM users u JOIN orders o ON o.user_id = u.id ORDER BY u.id, o.id OFFSET 2 LIMIT 3 FOR SHARE OF o
!SELECT id FROM users ORDER BY id FETCH FIRST 2 ROWS ONLY FOR UPDATE
SELECT id FROM users ORDER BY id LIMIT 2 FOR UPDATE SKIP LOCKED
SELECT FROM users
TABLE tenants
SELECT users.* FROM users WHERE id < 5
SELECT u.*, o.* FROM users u JOIN orders o ON o.user_id = u.id
SELECT random() < 2 FROM users
SELECT now() = now() FROM users
SELECT id, row_number() OVER (PARTITION BY id) FROM users
SELECT user_id, id, sum(total) OVER (PARTITION BY user_id ORDER BY id) FROM orders
SELECT user_id, id, rank() OVER (ORDER BY id, user_id) FROM orders
SELECT count(*) OVER () FROM users
SELECT pg_typeof(id), pg_typeof(score) FROM users WHERE id < 3

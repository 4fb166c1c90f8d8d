-- Joins by the key and off it, of every kind.
SELECT u.id, o.id FROM users u JOIN orders o ON o.user_id = u.id AND o.qty = u.level
SELECT u.id, o.user_id FROM users u JOIN orders o ON o.qty = u.level
SELECT count(*) FROM users u CROSS JOIN orders o
SELECT count(*) FROM users, orders, items
SELECT count(*) FROM users u, orders o WHERE u.level < o.qty
SELECT a.id, b.id FROM users a JOIN users b ON a.level = b.level AND a.id < b.id
SELECT a.id, b.id FROM users a JOIN users b ON b.id = a.id + 1
SELECT a.id, b.id FROM users a LEFT JOIN users b ON b.id = a.id + 1
SELECT a.id, b.id FROM users a FULL JOIN users b ON b.id = a.level
SELECT u.id, o.id FROM users u LEFT JOIN orders o ON o.user_id = u.id AND o.qty = 1
SELECT u.id, o.id FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE o.qty = 1
SELECT u.id FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE o.id IS NULL
SELECT u.id FROM users u LEFT JOIN orders o ON o.qty = u.level WHERE o.id IS NULL
SELECT u.id, o.id FROM users u RIGHT JOIN orders o ON o.user_id = u.id
SELECT u.id, o.id FROM users u FULL JOIN orders o ON o.user_id = u.id
SELECT u.id, o.id FROM users u FULL JOIN orders o ON o.user_id = u.id WHERE u.id IS NULL OR o.id IS NULL
SELECT c.code, u.id FROM countries c LEFT JOIN users u ON u.country = c.code
SELECT c.code, u.id FROM countries c RIGHT JOIN users u ON u.country = c.code
SELECT c.code, u.id FROM countries c FULL JOIN users u ON u.country = c.code
SELECT c.code, count(u.id) FROM countries c LEFT JOIN users u ON u.country = c.code GROUP BY c.code
SELECT c.code, count(u.id) FROM countries c LEFT JOIN users u ON u.country = c.code AND u.level > 2 GROUP BY c.code
SELECT c.name, sum(o.total) FROM countries c JOIN users u ON u.country = c.code JOIN orders o ON o.user_id = u.id GROUP BY c.name
SELECT c.name, u.name, o.id FROM countries c LEFT JOIN (users u JOIN orders o ON o.user_id = u.id) ON u.country = c.code
SELECT u.id, i.sku FROM users u LEFT JOIN (orders o JOIN items i ON i.user_id = o.user_id AND i.order_id = o.id) ON o.user_id = u.id
SELECT * FROM orders JOIN items USING (user_id)
SELECT user_id, count(*) FROM orders JOIN items USING (user_id) GROUP BY user_id
SELECT id, count(*) FROM users JOIN orders USING (id) GROUP BY id
SELECT * FROM orders NATURAL JOIN items
SELECT count(*) FROM users NATURAL JOIN orders
SELECT * FROM users NATURAL LEFT JOIN tenants
SELECT id FROM users FULL JOIN tenants USING (id)
SELECT u.name, d.title FROM users u, docs d WHERE d.size = u.level
SELECT u.name, l.id FROM users u JOIN logins l ON l.user_id = u.id
SELECT u.id, e.id, t.id FROM users u JOIN events e ON e.id = u.id JOIN tenants t ON t.id = u.id
SELECT u.id, a.what FROM users u JOIN audit_log a ON a.actor = u.id
SELECT u.id, a.what FROM users u LEFT JOIN audit_log a ON a.actor = u.id
SELECT a.what, u.name FROM audit_log a LEFT JOIN users u ON u.id = a.actor
SELECT n.body, u.name FROM notes n JOIN users u ON u.id = n.id
SELECT n.body, a.what FROM notes n LEFT JOIN audit_log a ON a.id = n.id
SELECT r.code, d.code FROM regions r, docs d WHERE r.size = d.size
SELECT d.day, count(*) FROM readings d JOIN users u ON u.id = d.device GROUP BY d.day
SELECT count(*) FROM readings a JOIN readings b ON a.device = b.device AND a.day = b.day
SELECT count(*) FROM readings a JOIN readings b ON a.device = b.device
SELECT count(*) FROM orders a, orders b WHERE a.user_id = b.user_id AND a.id <> b.id
SELECT x.id, y.n FROM (SELECT id FROM users WHERE level = 2) x JOIN (SELECT user_id, count(*) AS n FROM orders GROUP BY user_id) y ON y.user_id = x.id
SELECT x.level, y.n FROM (SELECT DISTINCT level FROM users) x LEFT JOIN (SELECT qty, count(*) AS n FROM orders GROUP BY qty) y ON y.qty = x.level
SELECT (u).id FROM users u
SELECT u.id FROM users AS u JOIN LATERAL unnest(u.tags) AS t (tag) ON t.tag = 't1'
SELECT t.tag, count(*) FROM users u, unnest(u.tags) AS t (tag) GROUP BY t.tag
SELECT g, count(u.id) FROM generate_series(0, 5) g LEFT JOIN users u ON u.level = g GROUP BY g
SELECT k, count(*) FROM users, jsonb_object_keys(extra) k GROUP BY k
SELECT count(*) FROM users u JOIN orders o ON o.user_id = u.id JOIN countries c ON c.code = u.country WHERE c.population > 80000000

-- Set operations whose arms have the same key in the same place.
SELECT id FROM users EXCEPT SELECT user_id FROM orders
SELECT id FROM users INTERSECT SELECT user_id FROM orders
SELECT user_id FROM orders INTERSECT ALL SELECT user_id FROM items
SELECT user_id FROM orders EXCEPT ALL SELECT id FROM users
SELECT id FROM users UNION SELECT user_id FROM orders
SELECT id, level FROM users UNION SELECT user_id, qty FROM orders
SELECT level, id FROM users EXCEPT SELECT qty, user_id FROM orders
SELECT id, level FROM users EXCEPT SELECT qty, user_id FROM orders
SELECT id FROM users EXCEPT SELECT id FROM tenants
SELECT id FROM users UNION (SELECT user_id FROM orders EXCEPT SELECT user_id FROM items)
(SELECT id FROM users UNION SELECT user_id FROM orders) INTERSECT SELECT kind_id FROM child
SELECT user_id, count(*) FROM orders GROUP BY user_id EXCEPT SELECT user_id, count(*) FROM items GROUP BY user_id
SELECT count(*) FROM (SELECT id FROM users UNION SELECT user_id FROM orders) x
SELECT count(*), max(id) FROM (SELECT id FROM users EXCEPT SELECT user_id FROM orders) x
!SELECT id FROM users EXCEPT SELECT user_id FROM orders ORDER BY id LIMIT 5
!SELECT id, name FROM users UNION SELECT user_id, note FROM orders ORDER BY 1, 2 LIMIT 9
SELECT device, day FROM readings EXCEPT SELECT id, name FROM users
SELECT u.id FROM users u LEFT JOIN orders o ON o.user_id = u.id EXCEPT SELECT o.user_id FROM users u LEFT JOIN orders o ON o.user_id = u.id
SELECT o.user_id FROM users u LEFT JOIN orders o ON o.user_id = u.id UNION SELECT id FROM users
SELECT * FROM tenants EXCEPT SELECT * FROM tenants WHERE id < 4
SELECT id FROM users WHERE id IN (SELECT id FROM users EXCEPT SELECT user_id FROM orders)
SELECT id FROM users UNION SELECT 5
SELECT id FROM users WHERE id = 7 UNION SELECT user_id FROM orders WHERE user_id = 8
SELECT id FROM users EXCEPT SELECT $1::bigint @ 7

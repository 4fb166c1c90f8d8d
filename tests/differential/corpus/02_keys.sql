-- Keys that are not where they seem, and several keys.
SELECT id, name FROM users WHERE id IN (1, 2, 3)
SELECT id, name FROM users WHERE id IN (7)
SELECT id, name FROM users WHERE id IN (7, 7, NULL)
SELECT id, name FROM users WHERE id IN (1, '2', 3.0)
SELECT id, name FROM users WHERE id IN (-1, -42, 0)
SELECT id, name FROM users WHERE id NOT IN (1, 2, 3)
SELECT id, name FROM users WHERE id = ANY (ARRAY[1, 2, 3])
SELECT id, name FROM users WHERE id = ANY ('{1,2,3}')
SELECT id, name FROM users WHERE id = ANY ('{1,2,3}'::bigint[])
SELECT id, name FROM users WHERE id = ALL (ARRAY[1, 2, 3])
SELECT id, name FROM users WHERE id <> ANY (ARRAY[1, 2])
SELECT id, name FROM users WHERE id = 1 OR id = 2
SELECT id, name FROM users WHERE id = 1 OR id = 2 OR id = 3
SELECT id, name FROM users WHERE id = 1 OR name = 'ann'
SELECT id, name FROM users WHERE id = 1 OR id > 38
SELECT id, name FROM users WHERE (id = 1 OR id = 2) AND active
SELECT id, name FROM users WHERE id = 1 AND active OR id = 3
SELECT id FROM users WHERE NOT id = 1
SELECT id FROM users WHERE NOT (id = 1 OR id = 2)
SELECT id FROM users WHERE NOT (id <> 1)
SELECT id FROM users WHERE id <> 1
SELECT id FROM users WHERE id > 38
SELECT id FROM users WHERE id < 3
SELECT id FROM users WHERE id BETWEEN 3 AND 5
SELECT id FROM users WHERE id BETWEEN 5 AND 3
SELECT id FROM users WHERE id NOT BETWEEN 2 AND 39
SELECT id FROM users WHERE CASE WHEN id = 7 THEN true ELSE false END
SELECT id FROM users WHERE CASE WHEN active THEN id = 7 ELSE id = 8 END
SELECT id FROM users WHERE coalesce(id = 7, true)
SELECT id FROM users WHERE (id = 7) IS TRUE
SELECT id FROM users WHERE (id = 7) IS NOT TRUE
SELECT id FROM users WHERE (id = 7) = true
SELECT id FROM users WHERE (id = 7) = false
SELECT id FROM users WHERE (id = 7) IS DISTINCT FROM true
SELECT id FROM users WHERE id IS NOT DISTINCT FROM 7
SELECT id FROM users WHERE id IS DISTINCT FROM 7
SELECT id FROM users WHERE id + 1 = 8
SELECT id FROM users WHERE abs(id) = 42
SELECT id FROM users WHERE id::text = '7'
SELECT id FROM users WHERE id::int % 20 = 7
SELECT id FROM users WHERE -id = 42
SELECT id FROM users WHERE id = id
SELECT id FROM users WHERE id = level
SELECT id FROM users WHERE id = 7 OR true
SELECT id FROM users WHERE true
SELECT id FROM users WHERE false
SELECT id FROM users WHERE NULL
SELECT id FROM users WHERE id = (SELECT 7)
SELECT id FROM users WHERE id = (SELECT max(id) FROM users)
SELECT id FROM users WHERE id = (SELECT min(user_id) FROM orders)
SELECT id FROM users WHERE id IN (SELECT user_id FROM orders WHERE total > 80)
SELECT id FROM users WHERE id NOT IN (SELECT user_id FROM orders)
SELECT id FROM users WHERE id IN (SELECT user_id FROM orders WHERE user_id = 7)
SELECT id FROM users u WHERE EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id AND o.qty = 3)
SELECT id FROM users u WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id)
SELECT id FROM users u WHERE EXISTS (SELECT 1 FROM orders o WHERE o.user_id = 7)
SELECT id FROM users u WHERE EXISTS (SELECT 1 FROM orders o WHERE o.user_id = 123456)
SELECT EXISTS (SELECT 1 FROM users WHERE name = 'carol2')
SELECT EXISTS (SELECT 1 FROM users WHERE id = 7)
SELECT (SELECT name FROM users WHERE id = 7), count(*) FROM users
SELECT (SELECT name FROM users WHERE id = 7)
SELECT (SELECT count(*) FROM users)
WITH k AS (SELECT id FROM users WHERE id = 7) SELECT count(*) FROM users
WITH k AS (SELECT id FROM users WHERE id = 7) SELECT u.id FROM users u JOIN k ON k.id = u.id
WITH users AS (SELECT 1 AS id) SELECT * FROM users WHERE id = 1
WITH users AS (SELECT id FROM orders WHERE user_id = 7) SELECT * FROM users WHERE id = 1
SELECT u.id, o.id FROM users u LEFT JOIN orders o ON o.user_id = 7
SELECT u.id, o.id FROM users u LEFT JOIN orders o ON o.user_id = u.id AND u.id = 7
SELECT u.id, o.id FROM users u LEFT JOIN orders o ON o.user_id = u.id AND o.user_id = 7
SELECT u.id, o.id FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE o.user_id = 7
SELECT u.id, o.id FROM users u RIGHT JOIN orders o ON o.user_id = u.id WHERE u.id = 7
SELECT u.id, o.id FROM users u RIGHT JOIN orders o ON o.user_id = u.id AND u.id = 7
SELECT u.id, o.id FROM users u FULL JOIN orders o ON o.user_id = u.id AND u.id = 7
SELECT u.id, o.id FROM users u FULL JOIN orders o ON o.user_id = u.id WHERE u.id = 7
SELECT a.id, b.id FROM users a, users b WHERE a.id = 7 AND b.id = 8
SELECT a.id, b.id FROM users a, users b WHERE a.id = 7 AND b.id = 7
SELECT a.id, b.id FROM users a JOIN users b ON a.id = b.id WHERE b.id = 7
SELECT a.id, b.id FROM users a JOIN users b ON a.id = b.level WHERE b.id = 7
SELECT id FROM users WHERE id = 7 UNION ALL SELECT id FROM users WHERE id = 8
SELECT id FROM users WHERE id = 7 UNION SELECT user_id FROM orders WHERE user_id = 9
SELECT x.id FROM users AS x (id, other) WHERE x.id = 7
SELECT x.name FROM users AS x (name, id) WHERE x.id = 'carol2'
SELECT id FROM ONLY users WHERE id = 7
SELECT id FROM users * WHERE id = 7
SELECT id FROM users WHERE (id, level) = (7, 2)
SELECT id FROM users WHERE (id, level) IN ((7, 2), (8, 3))
SELECT id FROM users WHERE (id, 1) = (7, 1)
SELECT id FROM users WHERE (level, id) < (1, 9)
SELECT id FROM users WHERE ROW(id) = ROW(7)
SELECT * FROM readings WHERE device = 3
SELECT * FROM readings WHERE day = 'd2'
SELECT * FROM readings WHERE (device, day) IN ((1, 'd1'), (2, 'd2'))
SELECT * FROM readings WHERE device IN (1, 2) AND day IN ('d1', 'd2')
SELECT * FROM readings WHERE device = 1 AND day = 'd1' OR device = 2 AND day = 'd2'
SELECT * FROM events WHERE id >= 100 AND id < 200
SELECT * FROM events WHERE id < 0
SELECT * FROM events WHERE id BETWEEN 90 AND 110
SELECT * FROM events WHERE id > 1000
SELECT * FROM tenants WHERE id IN (1, 2, 11)
SELECT * FROM docs WHERE code IN ('alpha', 'Beta', 'nobody')
SELECT code FROM docs WHERE code > 'a' AND code < 'b'
SELECT code FROM docs WHERE code LIKE 'al%'
SELECT code FROM docs WHERE lower(code) = 'beta'
SELECT code FROM docs WHERE code COLLATE "C" = 'alpha'
SELECT code FROM docs WHERE code = 'alpha' COLLATE "C"
SELECT id FROM users WHERE id IN (VALUES (7), (8))
SELECT u.id FROM users u JOIN (VALUES (7), (8)) v(id) ON v.id = u.id
SELECT u.id FROM users u JOIN (VALUES (7), (8)) v(id) USING (id)
SELECT u.id, g FROM users u JOIN generate_series(7, 8) g ON g = u.id
SELECT id FROM users WHERE users = users AND id = 7
SELECT u FROM users u WHERE u.id = 7

-- Statements bound to one key: tier 1.
SELECT * FROM users WHERE id = 7
SELECT * FROM users WHERE 7 = id
SELECT name FROM users WHERE id = '7'
SELECT name FROM users WHERE id = 7::bigint
SELECT name FROM users WHERE id = CAST('7' AS bigint)
SELECT name FROM users WHERE id = bigint '7'
SELECT name FROM users WHERE id = 7.0
SELECT name FROM users WHERE id = 7.5
SELECT name FROM users WHERE id = -42
SELECT name FROM users WHERE id = - 42
SELECT name FROM users WHERE id = -(42)
SELECT name FROM users WHERE id = '-42'
SELECT name FROM users WHERE id = ' 7 '
SELECT name FROM users WHERE id = 'seven'
SELECT name FROM users WHERE id = 5 + 2
SELECT name FROM users WHERE id = 10 - 3
SELECT name FROM users WHERE id = 9223372036854775807
SELECT name FROM users WHERE id = -9223372036854775808
SELECT name FROM users WHERE id = 9223372036854775808
SELECT name FROM users WHERE id = 2147483647 + 1
SELECT name FROM users WHERE id = 1e1
SELECT name FROM users WHERE id = 0
SELECT name FROM users WHERE id = NULL
SELECT name FROM users WHERE id IS NULL
SELECT name FROM users WHERE users.id = 7
SELECT u.name FROM users u WHERE u.id = 7
SELECT u.name FROM users AS u WHERE u.id = 7 AND u.active
SELECT name FROM public.users WHERE id = 7
SELECT "name" FROM "users" WHERE "id" = 7
SELECT NAME FROM USERS WHERE ID = 7
SELECT name FROM users WHERE (id) = (7)
SELECT name FROM users WHERE ((id = 7))
SELECT name FROM users WHERE id = 7 AND id = 7
SELECT name FROM users WHERE id = 7 AND id = 8
SELECT name FROM users WHERE id = 7 AND level > 100
SELECT count(*) FROM users WHERE id = 7
SELECT count(*) FROM orders WHERE user_id = 7
SELECT count(*), sum(total), avg(total) FROM orders WHERE user_id = 7
SELECT * FROM orders WHERE user_id = 7 ORDER BY id
SELECT * FROM orders WHERE user_id = 7 ORDER BY total DESC, id LIMIT 2
SELECT * FROM orders WHERE user_id = 7 AND id = 2
SELECT u.name, o.total FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = 7 ORDER BY o.id
SELECT u.name, o.total FROM users u JOIN orders o ON o.user_id = u.id WHERE o.user_id = 7 ORDER BY o.id
SELECT u.name, o.total FROM users u, orders o WHERE o.user_id = u.id AND u.id = 7 ORDER BY o.id
SELECT u.name, count(o.id) FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE u.id = 7 GROUP BY u.name
SELECT o.id, i.sku FROM orders o JOIN items i ON i.user_id = o.user_id AND i.order_id = o.id WHERE o.user_id = 7 ORDER BY 1, i.n
SELECT o.id, i.sku FROM orders o JOIN items i USING (user_id) WHERE user_id = 7 ORDER BY 1, i.order_id, i.n
SELECT u.name, c.name FROM users u JOIN countries c ON c.code = u.country WHERE u.id = 7
SELECT u.name, c.name FROM users u LEFT JOIN countries c ON c.code = u.country WHERE u.id = 7
SELECT u.name, (SELECT count(*) FROM orders o WHERE o.user_id = u.id) FROM users u WHERE u.id = 7
SELECT u.name, (SELECT count(*) FROM orders o WHERE o.user_id = 7) FROM users u WHERE u.id = 7
SELECT name FROM users WHERE id = 7 AND EXISTS (SELECT 1 FROM orders WHERE user_id = 7)
SELECT name FROM users u WHERE id = 7 AND EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id)
SELECT * FROM (SELECT id, name FROM users WHERE id = 7) s
SELECT * FROM (SELECT id, name FROM users) s WHERE s.id = 7
WITH s AS (SELECT id, name FROM users WHERE id = 7) SELECT * FROM s
WITH s AS (SELECT id, name FROM users) SELECT * FROM s WHERE id = 7
WITH s AS (SELECT * FROM orders WHERE user_id = 7) SELECT count(*), max(total) FROM s
SELECT id FROM users WHERE id = 7 UNION SELECT id FROM orders WHERE user_id = 7 ORDER BY 1
SELECT name FROM users WHERE id = 7 UNION ALL SELECT name FROM users WHERE id = 7
SELECT row_number() OVER (ORDER BY id), id FROM orders WHERE user_id = 7 ORDER BY 2
SELECT DISTINCT note FROM orders WHERE user_id = 7 ORDER BY 1
SELECT * FROM docs WHERE code = 'alpha'
SELECT * FROM docs WHERE code = 'δέλτα'
SELECT * FROM docs WHERE code = 'e''f'
SELECT * FROM docs WHERE code = E'e\'f'
SELECT * FROM docs WHERE code = $$e'f$$
SELECT * FROM docs WHERE code = ''
SELECT * FROM docs WHERE code = U&'\0061lpha'
SELECT * FROM docs WHERE code = 'al' 'pha'
SELECT * FROM docs WHERE code = 'alpha'::text
SELECT * FROM docs WHERE code = 'alpha'::varchar
SELECT * FROM docs WHERE code = 'nobody'
SELECT title FROM docs WHERE code = 5
SELECT * FROM docs WHERE code || '' = 'alpha'
SELECT user_id FROM logins WHERE id = '00000000-0000-4000-8000-000000001eef'
SELECT user_id FROM logins WHERE id = '{00000000-0000-4000-8000-000000001EEF}'
SELECT user_id FROM logins WHERE id = '00000000000040008000000000001eef'::uuid
SELECT user_id FROM logins WHERE id = 'not a uuid'
SELECT * FROM readings WHERE device = 3 AND day = 'd2'
SELECT * FROM readings WHERE (device, day) = (3, 'd2')
SELECT * FROM readings WHERE (day, device) = ('d2', 3)
SELECT * FROM events WHERE id = 100
SELECT * FROM events WHERE id = 5000
SELECT * FROM events WHERE id = -10
SELECT * FROM tenants WHERE id = 3
SELECT * FROM countries WHERE code = 'de'
SELECT count(*), sum(population) FROM countries
SELECT * FROM countries ORDER BY code
SELECT * FROM audit_log WHERE id = 3
SELECT count(*) FROM audit_log
SELECT body FROM notes ORDER BY id
SELECT 1
SELECT 1, 'a'::text, NULL, true
SELECT 1 + 1 AS two
VALUES (1, 'a'), (2, 'b')
SELECT generate_series(1, 3)
SELECT * FROM generate_series(1, 3) g
SELECT upper('abc'), length('日本')
SELECT c.name FROM countries c JOIN audit_log a ON a.id = 1 WHERE c.code = 'de'
SELECT users.name FROM users WHERE users.id = 7 -- id = 8
SELECT /* id = 8 */ name FROM users WHERE id = 7
SELECT name AS "id = 8" FROM users WHERE id = 7
SELECT name FROM users WHERE id = 7 AND name <> 'id = 8'
SELECT name FROM users WHERE id=7AND level IS NOT NULL
SELECT * FROM regions WHERE code = 'south'
SELECT * FROM regions WHERE code = 'unlisted'
SELECT * FROM regions WHERE code IN ('north', 'south')

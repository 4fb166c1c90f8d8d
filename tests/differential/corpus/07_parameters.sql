-- Extended protocol; parameters after @, separated by |, \N for NULL.
SELECT name FROM users WHERE id = $1 @ 7
SELECT name FROM users WHERE id = $1 @ -42
SELECT name FROM users WHERE id = $1 @ \N
SELECT name FROM users WHERE id = $1 @ 123456789
SELECT name FROM users WHERE id = $1 @ seven
SELECT name FROM users WHERE id = $1::int @ 7
SELECT name FROM users WHERE id = $1::text::bigint @ 7
SELECT name FROM users WHERE id = $1 + 1 @ 6
SELECT name FROM users WHERE id = -$1 @ 42
SELECT name FROM users WHERE id = $2 AND level IS NOT DISTINCT FROM $1 @ 2 | 7
SELECT id FROM users WHERE id IN ($1, $2, $3) @ 1 | 2 | 3
SELECT id FROM users WHERE id = ANY ($1) @ {1,2,3}
SELECT id FROM users WHERE id = ANY ($1) @ {}
SELECT id FROM users WHERE id = ANY ($1) @ {7,NULL}
SELECT id FROM users WHERE id = $1 OR id = $2 @ 1 | 9
SELECT id FROM users WHERE id = $1 OR name = $2 @ 1 | ann
SELECT u.name, o.total FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = $1 AND o.id > $2 @ 7 | 1
SELECT title FROM docs WHERE code = $1 @ δέλτα
SELECT title FROM docs WHERE code = $1 @ e'f
SELECT user_id FROM logins WHERE id = $1 @ 00000000-0000-4000-8000-000000001eef
SELECT user_id FROM logins WHERE id = $1 @ zzz
SELECT value FROM readings WHERE device = $1 AND day = $2 @ 3 | d2
SELECT id FROM events WHERE id BETWEEN $1 AND $2 @ 50 | 150
SELECT plan FROM tenants WHERE id = $1 @ 5
SELECT count(*) FROM users WHERE level = $1 @ 2
SELECT count(*) FROM users a WHERE EXISTS (SELECT 1 FROM orders o WHERE o.user_id = $1) @ 7
SELECT (SELECT name FROM users WHERE id = $1), count(*) FROM users @ 7
WITH k AS (SELECT id FROM users WHERE id = $1) SELECT count(*) FROM users @ 7
!SELECT id FROM users ORDER BY id LIMIT $1 OFFSET $2 @ 5 | 2
!SELECT id FROM users ORDER BY id LIMIT $1 @ \N
SELECT $1::int + 1 @ 41
SELECT code FROM countries WHERE population > $1 @ 80000000
SELECT country, count(*) FROM users WHERE level > $1 GROUP BY country HAVING count(*) > $2 @ 0 | 2

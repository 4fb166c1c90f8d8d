-- Parameters in every clause.
SELECT count(*) FROM users WHERE level = $1 AND country = $2 @ 2 | fr
SELECT count(*) FROM users WHERE level > $1 OR level IS NULL @ 2
SELECT count(*) FROM users WHERE name LIKE $1 @ a%
SELECT count(*) FROM users WHERE level = ANY ($1) @ {1,2}
SELECT count(*) FROM users WHERE level IN ($1, $2) @ 1 | 3
SELECT count(*) FROM users WHERE level BETWEEN $1 AND $2 @ 1 | 3
SELECT count(*) FROM users WHERE score > $1 @ 10.5
SELECT count(*) FROM users WHERE born > $1 @ 2001-01-01
SELECT count(*) FROM users WHERE born < $1 @ today
SELECT count(*) FROM orders WHERE created >= $1::timestamp @ 2024-01-05
SELECT count(*) FROM users WHERE $1 = level @ 3
SELECT count(*) FROM users WHERE level = $1 AND id <> $1 @ 3
SELECT $1::text, count(*) FROM users @ hello
SELECT count(*) + $1 FROM users @ 5
SELECT sum(level * $1) FROM users @ 2
SELECT sum(level) FILTER (WHERE level > $1) FROM users @ 2
SELECT level, count(*) FROM users GROUP BY level HAVING count(*) > $1 @ 5
SELECT level + $1, count(*) FROM users GROUP BY 1 @ 1
!SELECT level + $1::int AS x, count(*) FROM users GROUP BY x ORDER BY x @ 1
!SELECT id FROM users ORDER BY level + $1, id @ 1
!SELECT id FROM users ORDER BY coalesce(level, $1), id @ 2
!SELECT id FROM users WHERE level >= $1 ORDER BY name, id LIMIT $2 @ 2 | 4
!SELECT id FROM users WHERE level >= $2 ORDER BY id LIMIT $1 OFFSET $3 @ 4 | 1 | 2
!SELECT id FROM users ORDER BY id LIMIT $1 + 1 @ 2
!SELECT id FROM users ORDER BY id LIMIT $1 OFFSET $1 @ 3
!SELECT id FROM users ORDER BY id OFFSET $1 ROWS FETCH FIRST $2 ROWS ONLY @ 3 | 2
!SELECT id FROM users ORDER BY id LIMIT $1 OFFSET $2 @ -1 | 3
!SELECT id FROM users ORDER BY id LIMIT $1 OFFSET $2 @ 3 | -1
!SELECT id FROM users ORDER BY id LIMIT $1 OFFSET $2 @ \N | \N
!SELECT id FROM users ORDER BY title_is_no_column LIMIT $1 @ 1
SELECT id FROM users u WHERE EXISTS (SELECT FROM orders o WHERE o.qty = u.level AND o.total > $1) @ 50
SELECT id, (SELECT count(*) FROM orders o WHERE o.qty = u.level AND o.qty > $1) FROM users u @ 1
SELECT a.id, b.id FROM users a JOIN users b ON b.level = a.level AND b.id > a.id + $1 @ 20
WITH w AS (SELECT * FROM users WHERE level = $1) SELECT country, count(*) FROM w GROUP BY country @ 2
SELECT level FROM users WHERE level < $1 UNION SELECT qty FROM orders WHERE qty > $2 @ 3 | 2
SELECT country, count(*) FROM users WHERE id IN ($1, $2, $3) GROUP BY country @ 1 | 2 | 3
SELECT count(*) FROM users WHERE id = ANY ($1) @ {1,2,3,9}
SELECT country, max(level) FROM users WHERE id = $1 GROUP BY country @ 7
SELECT count(*) FROM orders WHERE user_id = $1 @ 7
SELECT count(*) FROM orders WHERE user_id = $1 @ \N
SELECT count(*) FROM users WHERE mood = $1 @ ok
SELECT mood, count(*) FROM users WHERE mood <> $1 GROUP BY mood @ ok
SELECT count(*) FROM users WHERE tags @> $1 @ {t1}
SELECT count(*) FROM users WHERE extra @> $1 @ {"n": 1}
SELECT count(*) FROM users WHERE id > $1 AND id < $2 @ 3 | 9
SELECT count(*) FROM users WHERE level = $1 @ abc
SELECT count(*) FROM users WHERE level = $1 @ 99999999999
SELECT max(title) FROM docs WHERE size > $1 @ 3
SELECT count(*) FROM audit_log a, users u WHERE a.actor = u.id AND u.level > $1 @ 1
SELECT sum(v) FROM parts WHERE kind = $1 @ b
SELECT source, count(*) FROM crm.leads WHERE age > $1 GROUP BY source @ 2

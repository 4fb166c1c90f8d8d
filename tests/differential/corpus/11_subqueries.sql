-- Subqueries in every clause, correlated and not, with the key and without.
SELECT (SELECT count(*) FROM orders)
SELECT (SELECT max(total) FROM orders), (SELECT min(level) FROM users)
SELECT id, (SELECT max(total) FROM orders) FROM users
SELECT id, (SELECT count(*) FROM orders o WHERE o.user_id = u.id) FROM users u
SELECT id, (SELECT count(*) FROM orders o WHERE o.qty = u.level) FROM users u
SELECT id, (SELECT name FROM countries c WHERE c.code = u.country) FROM users u
SELECT code, (SELECT count(*) FROM users u WHERE u.country = c.code) FROM countries c
SELECT code, EXISTS (SELECT 1 FROM users u WHERE u.country = c.code) FROM countries c
SELECT code FROM countries c WHERE NOT EXISTS (SELECT * FROM users u WHERE u.country = c.code)
SELECT code FROM countries WHERE code IN (SELECT country FROM users)
SELECT code FROM countries WHERE code NOT IN (SELECT country FROM users WHERE country IS NOT NULL)
SELECT code FROM countries WHERE code NOT IN (SELECT country FROM users)
SELECT id FROM users WHERE level = (SELECT max(level) FROM users)
SELECT id FROM users WHERE level > (SELECT avg(level) FROM users)
SELECT id FROM users u WHERE level > (SELECT avg(level) FROM users v WHERE v.country = u.country)
SELECT id FROM users WHERE id = (SELECT min(user_id) FROM orders)
SELECT id FROM users WHERE id IN (SELECT user_id FROM orders WHERE qty = 2)
SELECT id FROM users WHERE id NOT IN (SELECT user_id FROM orders)
SELECT id FROM users WHERE level IN (SELECT qty FROM orders WHERE total > 50)
SELECT id FROM users WHERE EXISTS (SELECT FROM orders WHERE qty = level)
SELECT id FROM users WHERE NOT EXISTS (SELECT FROM orders WHERE orders.user_id = users.id)
SELECT id FROM users WHERE NOT EXISTS (SELECT FROM orders WHERE orders.qty = users.level)
SELECT id FROM users WHERE (level, active) IN (SELECT qty, true FROM orders)
SELECT id FROM users WHERE (id, level) IN (SELECT user_id, qty FROM orders)
SELECT id FROM users WHERE (SELECT count(*) FROM orders WHERE user_id = users.id) > 2
SELECT id FROM users WHERE level = ANY (SELECT qty FROM orders WHERE qty > 1)
SELECT id FROM users WHERE level <> ALL (SELECT qty FROM orders)
SELECT id FROM users WHERE level > ALL (SELECT qty FROM orders WHERE qty IS NOT NULL)
SELECT id FROM users WHERE level = ALL (ARRAY[2, 2])
SELECT id FROM users WHERE ARRAY(SELECT o.id FROM orders o WHERE o.user_id = users.id ORDER BY 1) = ARRAY[1, 2, 3]::bigint[]
SELECT country, (SELECT c.name FROM countries c WHERE c.code = country), count(*) FROM users GROUP BY country
SELECT country, count(*) FROM users GROUP BY country HAVING count(*) > (SELECT count(*) FROM users) / 10
SELECT country, count(*) FROM users GROUP BY country HAVING count(*) = (SELECT max(n) FROM (SELECT count(*) AS n FROM users GROUP BY country) x)
SELECT * FROM (SELECT country, count(*) AS n FROM users GROUP BY country) x WHERE n > 5
SELECT max(n) FROM (SELECT count(*) AS n FROM users GROUP BY country) x
SELECT avg(n) FROM (SELECT user_id, count(*) AS n FROM orders GROUP BY user_id) x
SELECT n, count(*) FROM (SELECT user_id, count(*) AS n FROM orders GROUP BY user_id) x GROUP BY n
SELECT x.country, u.id FROM (SELECT country, max(level) AS top FROM users GROUP BY country) x JOIN users u ON u.country = x.country AND u.level = x.top
!SELECT * FROM (SELECT id, level FROM users ORDER BY level DESC NULLS LAST, id LIMIT 5) x ORDER BY id
SELECT * FROM (SELECT id, level FROM users ORDER BY level DESC NULLS LAST, id LIMIT 5) x WHERE level = 4
SELECT count(*) FROM (SELECT id FROM users ORDER BY level, id LIMIT 10 OFFSET 3) x JOIN orders o ON o.user_id = x.id
SELECT (SELECT id FROM users ORDER BY level DESC NULLS LAST, id LIMIT 1)
SELECT id FROM users WHERE id IN (SELECT id FROM users ORDER BY score DESC NULLS LAST, id LIMIT 3)
SELECT id FROM users WHERE id IN (SELECT user_id FROM orders GROUP BY user_id HAVING sum(total) > 100)
SELECT id FROM users WHERE 3 < (SELECT sum(qty) FROM orders WHERE user_id = users.id)
SELECT * FROM users u, LATERAL (SELECT sum(total) AS t FROM orders o WHERE o.user_id = u.id) x WHERE t > 60
SELECT u.id, x.id FROM users u, LATERAL (SELECT o.id FROM orders o WHERE o.user_id = u.id ORDER BY o.total DESC NULLS LAST, o.id LIMIT 1) x
SELECT u.id, x.id FROM users u LEFT JOIN LATERAL (SELECT o.id FROM orders o WHERE o.qty = u.level ORDER BY o.user_id, o.id LIMIT 1) x ON true
SELECT c.code, x.id FROM countries c CROSS JOIN LATERAL (SELECT id FROM users u WHERE u.country = c.code ORDER BY id LIMIT 2) x
SELECT c.code, x.n FROM countries c LEFT JOIN LATERAL (SELECT count(*) AS n FROM users u WHERE u.country = c.code) x ON x.n > 0
SELECT id, (SELECT string_agg(sku, ',' ORDER BY n, sku) FROM items i WHERE i.user_id = u.id) FROM users u
SELECT id, ARRAY(SELECT o.total FROM orders o WHERE o.user_id = u.id ORDER BY o.id) FROM users u
SELECT id, (SELECT row_to_json(o) FROM orders o WHERE o.user_id = u.id ORDER BY o.id LIMIT 1) FROM users u
!SELECT id FROM users u ORDER BY (SELECT count(*) FROM orders o WHERE o.user_id = u.id), id
!SELECT id FROM users u ORDER BY (SELECT count(*) FROM orders o WHERE o.qty = u.level) DESC, id LIMIT 6
!SELECT id FROM users ORDER BY id LIMIT (SELECT 3)
!SELECT id FROM users ORDER BY id LIMIT (SELECT count(*) FROM regions)
!SELECT id FROM users ORDER BY id OFFSET (SELECT max(qty) FROM orders) LIMIT 2
SELECT id FROM users WHERE level = (SELECT level FROM users WHERE id = 7)
SELECT id FROM users WHERE country = (SELECT country FROM users WHERE id = 1) AND id <> 1
SELECT id FROM users WHERE id = 7 AND level IN (SELECT qty FROM orders)
SELECT id FROM users WHERE id = 7 AND EXISTS (SELECT FROM orders WHERE total > 80)
SELECT (SELECT 1 FROM users)
SELECT (SELECT id FROM users WHERE id = 7)
SELECT id FROM users WHERE id = (SELECT user_id FROM orders)
SELECT CASE WHEN EXISTS (SELECT FROM users WHERE level = 4) THEN 'yes' ELSE 'no' END
SELECT coalesce((SELECT max(id) FROM users WHERE level = 100), -1)
SELECT count(*) FROM audit_log WHERE actor IN (SELECT id FROM users)
SELECT what FROM audit_log a WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = a.actor)
SELECT u.id FROM users u WHERE u.id IN (SELECT actor FROM audit_log)
SELECT u.id, (SELECT count(*) FROM audit_log a WHERE a.actor = u.id) FROM users u
SELECT count(*) FROM notes n WHERE n.id IN (SELECT id FROM users)
SELECT count(*) FROM notes n, audit_log a WHERE n.id = a.id
SELECT title FROM docs WHERE code IN (SELECT upper(country) FROM users UNION SELECT 'alpha')
SELECT e.id FROM events e WHERE e.weight = (SELECT max(weight) FROM events)
SELECT e.kind, t.plan FROM events e, tenants t WHERE e.id = t.id
SELECT r.code, count(u.id) FROM regions r LEFT JOIN users u ON length(r.code) = u.level GROUP BY r.code

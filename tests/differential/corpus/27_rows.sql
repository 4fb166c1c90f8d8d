-- The row as a whole, by t.* as an argument.
SELECT json_agg(u.*) FROM users u WHERE u.level = 2
SELECT json_agg(u.* ORDER BY u.id) FROM users u
SELECT json_agg(u.* ORDER BY u.id) FROM users u JOIN orders o ON o.qty = u.level
SELECT count(u.*) FROM users u
SELECT count(u.*), count(o.*) FROM users u LEFT JOIN orders o ON o.qty = u.level
SELECT count(DISTINCT o.*) FROM users u LEFT JOIN orders o ON o.qty = u.level
SELECT count(n.*) FROM users u LEFT JOIN notes n ON n.id = u.id
SELECT row_to_json(u.*) FROM users u
SELECT row_to_json(u.*) FROM users u WHERE id = 7
!SELECT row_to_json(u.*) FROM users u ORDER BY u.id
!SELECT to_jsonb(users.*) - 'tags' FROM users ORDER BY id LIMIT 5
!SELECT to_jsonb(u.*) FROM users u ORDER BY u.name, u.id LIMIT 3 OFFSET 2
SELECT max(to_jsonb(u.*)::text) FROM users u
SELECT country, json_agg(users.* ORDER BY id) FROM users GROUP BY country
SELECT country, count(users.*) FROM users GROUP BY country
SELECT u.id, (SELECT json_agg(o.* ORDER BY o.id) FROM orders o WHERE o.user_id = u.id) FROM users u
SELECT u.id, (SELECT json_agg(o.* ORDER BY o.user_id, o.id) FROM orders o WHERE o.qty = u.level) FROM users u
SELECT id FROM users u WHERE to_jsonb(u.*) @> '{"level": 2}'
SELECT count(*) FROM users u JOIN orders o ON to_jsonb(u.*)->>'level' = o.qty::text
SELECT json_agg(l.*) FROM crm.leads l WHERE l.user_id = 7
SELECT count(l.*) FROM crm.leads l JOIN users u ON u.level = l.n
SELECT json_agg(p.* ORDER BY p.id) FROM parts p JOIN users u ON u.level = p.v
SELECT json_agg(o.* ORDER BY user_id) FROM "Odd Names" o JOIN users u ON u.level = o.order
SELECT count(v.*) FROM grown v
SELECT json_agg(v.*) FROM (SELECT id, level FROM users ORDER BY id LIMIT 5) v
SELECT count(v.*) FROM (SELECT o.id FROM users u JOIN orders o ON o.qty = u.level) v
WITH v AS (SELECT id FROM users) SELECT count(v.*) FROM v
SELECT u.id, json_agg(c.*) FROM users u JOIN countries c ON c.code = u.country GROUP BY u.id
SELECT row_to_json(row(u.*)) FROM users u WHERE id = 7
SELECT row_to_json(u) FROM users u JOIN orders o ON o.qty = u.level
SELECT u FROM users u JOIN orders o ON o.qty = u.level
SELECT coalesce(u.*, NULL) FROM users u WHERE id = 7
SELECT u.* IS NOT NULL FROM users u WHERE id = 7
SELECT row_to_json(a) FROM audit_log a JOIN users u ON u.id = a.actor
SELECT u.id, json_agg(a ORDER BY a.id) FROM users u JOIN audit_log a ON a.actor = u.id GROUP BY u.id

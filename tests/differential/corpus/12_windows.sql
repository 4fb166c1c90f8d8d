-- Window functions.
SELECT id, row_number() OVER (ORDER BY id) FROM users
SELECT id, rank() OVER (ORDER BY level), dense_rank() OVER (ORDER BY level DESC NULLS LAST) FROM users
SELECT id, ntile(4) OVER (ORDER BY id), percent_rank() OVER (ORDER BY id), cume_dist() OVER (ORDER BY level) FROM users
SELECT id, lag(id) OVER (ORDER BY id), lead(id, 2, -1) OVER (ORDER BY id) FROM users
SELECT id, first_value(id) OVER (PARTITION BY country ORDER BY id), last_value(id) OVER (PARTITION BY country ORDER BY id) FROM users
SELECT id, nth_value(id, 2) OVER (PARTITION BY level ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM users
SELECT user_id, id, sum(total) OVER (PARTITION BY user_id ORDER BY id) FROM orders
SELECT user_id, id, sum(total) OVER (PARTITION BY qty ORDER BY user_id, id) FROM orders
SELECT user_id, id, avg(total) OVER w, count(*) OVER w FROM orders WINDOW w AS (PARTITION BY user_id)
SELECT user_id, id, count(*) OVER w FROM orders WINDOW w AS (PARTITION BY qty), v AS (w ORDER BY user_id)
SELECT user_id, id, sum(qty) OVER (ORDER BY user_id, id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM orders
SELECT user_id, id, sum(qty) OVER (ORDER BY user_id, id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) FROM orders
SELECT id, count(*) OVER (ORDER BY level RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM users
SELECT id, count(*) OVER (ORDER BY level GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM users
SELECT id, count(*) OVER () FROM users
SELECT id, level - avg(level) OVER () FROM users
SELECT id, count(*) FILTER (WHERE active) OVER (PARTITION BY country) FROM users
SELECT country, count(*), rank() OVER (ORDER BY count(*) DESC, country) FROM users GROUP BY country
SELECT country, sum(level), sum(sum(level)) OVER () FROM users GROUP BY country
SELECT country, sum(level) * 100 / sum(sum(level)) OVER () AS share FROM users GROUP BY country
!SELECT id, row_number() OVER (ORDER BY name, id) AS r FROM users ORDER BY r LIMIT 5
!SELECT id, row_number() OVER (PARTITION BY country ORDER BY id) AS r FROM users ORDER BY r, id
SELECT * FROM (SELECT id, country, row_number() OVER (PARTITION BY country ORDER BY score DESC NULLS LAST, id) AS r FROM users) x WHERE r <= 2
SELECT * FROM (SELECT user_id, id, row_number() OVER (PARTITION BY user_id ORDER BY total DESC NULLS LAST, id) AS r FROM orders) x WHERE r = 1
SELECT DISTINCT country, count(*) OVER (PARTITION BY country) FROM users
SELECT u.id, count(o.id) OVER (PARTITION BY u.id) FROM users u LEFT JOIN orders o ON o.user_id = u.id
SELECT u.country, sum(o.total) OVER (PARTITION BY u.country) FROM users u JOIN orders o ON o.user_id = u.id
!SELECT id FROM users ORDER BY count(*) OVER (PARTITION BY country), id
!SELECT id FROM users ORDER BY row_number() OVER (ORDER BY id DESC)
SELECT sum(total) OVER (ORDER BY created ROWS UNBOUNDED PRECEDING) FROM orders WHERE user_id = 7
SELECT id, array_agg(id) OVER (PARTITION BY level ORDER BY id) FROM users
SELECT id, string_agg(name, ',') OVER (ORDER BY id) FROM users WHERE id BETWEEN 1 AND 5
SELECT id, max(score) OVER (PARTITION BY active), min(born) OVER (PARTITION BY active) FROM users

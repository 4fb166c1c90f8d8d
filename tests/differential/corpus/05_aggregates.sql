-- Aggregates over all shards.
SELECT count(*) FROM users
SELECT count(email) FROM users
SELECT count(*) + 1 FROM users
SELECT count(*) AS n FROM users WHERE active
SELECT count(DISTINCT country) FROM users
SELECT count(DISTINCT id) FROM users
SELECT sum(level) FROM users
SELECT sum(id) FROM orders
SELECT sum(id) FROM users
SELECT sum(score) FROM users WHERE score <> 'NaN'
SELECT sum(score) FROM users
SELECT sum(qty), avg(qty) FROM orders
SELECT avg(level) FROM users
SELECT avg(total) FROM orders
SELECT avg(id) FROM users
SELECT sum(total), avg(total), min(total), max(total), count(total) FROM orders
SELECT min(name), max(name) FROM users
SELECT min(code), max(code) FROM docs
SELECT min(born), max(born) FROM users
SELECT min(created), max(created) FROM orders
SELECT min(ratio), max(ratio) FROM users
SELECT min(score), max(score) FROM users
SELECT min(mood), max(mood) FROM users
SELECT max(at) - min(at) FROM logins
SELECT bool_and(active), bool_or(active), every(active) FROM users
SELECT bit_and(level), bit_or(level), bit_xor(level) FROM users
SELECT stddev(total) FROM orders
SELECT variance(level), var_pop(level), stddev_pop(level), stddev_samp(level) FROM users
SELECT sum(value) FROM readings
SELECT avg(value), round(stddev(value)::numeric, 9) FROM readings
SELECT coalesce(sum(total), 0) FROM orders
SELECT coalesce(sum(total), 0) FROM orders WHERE user_id > 100000
SELECT sum(total) FROM orders WHERE user_id > 100000
SELECT count(*) FROM orders WHERE user_id > 100000
SELECT sum(total) / count(*) FROM orders
SELECT round(avg(total), 2) FROM orders
SELECT max(total) - min(total) AS spread FROM orders
SELECT CASE WHEN count(*) > 20 THEN 'many' ELSE 'few' END FROM users
SELECT 'n=' || count(*) FROM users
SELECT count(*) FILTER (WHERE active), count(*) FILTER (WHERE NOT active) FROM users
SELECT sum(total) FILTER (WHERE qty = 1), sum(total) FROM orders
SELECT string_agg(name, ',' ORDER BY id) FROM users
SELECT array_agg(id ORDER BY id) FROM users
SELECT array_agg(DISTINCT level ORDER BY level) FROM users
SELECT json_agg(id ORDER BY id) FROM tenants
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total) FROM orders
SELECT mode() WITHIN GROUP (ORDER BY level) FROM users
SELECT corr(level, ratio) IS NULL FROM users WHERE id > 100
SELECT count(*) FROM users u JOIN orders o ON o.user_id = u.id
SELECT count(*), count(o.id) FROM users u LEFT JOIN orders o ON o.user_id = u.id
SELECT sum(i.price * o.qty) FROM orders o JOIN items i ON i.user_id = o.user_id AND i.order_id = o.id
SELECT count(*) FROM users WHERE id IN (1, 2, 3)
SELECT count(*) FROM users a JOIN users b ON a.level = b.level
SELECT count(*) FROM users WHERE EXISTS (SELECT 1 FROM orders WHERE user_id = users.id)
SELECT country, count(*) FROM users GROUP BY country
SELECT country, count(*) FROM users GROUP BY 1
!SELECT country, count(*) FROM users GROUP BY country ORDER BY country
!SELECT country, count(*) AS n FROM users GROUP BY country ORDER BY n DESC, country
!SELECT country, count(*) AS n FROM users GROUP BY country ORDER BY n DESC, country LIMIT 2
SELECT count(*) FROM users GROUP BY country
SELECT country FROM users GROUP BY country
SELECT country, level, sum(score) FILTER (WHERE score <> 'NaN') FROM users GROUP BY country, level
SELECT upper(country), count(*) FROM users GROUP BY upper(country)
SELECT upper(country) AS c, count(*) FROM users GROUP BY c
SELECT date_trunc('day', created) AS day, count(*), sum(total) FROM orders GROUP BY day
!SELECT date_trunc('month', created) AS m, sum(total) FROM orders GROUP BY 1 ORDER BY 1
SELECT level % 2, count(*) FROM users GROUP BY level % 2
SELECT active, avg(score) FROM users WHERE score <> 'NaN' GROUP BY active
SELECT mood, count(*) FROM users GROUP BY mood
SELECT score, count(*) FROM users GROUP BY score
SELECT ratio, count(*) FROM users GROUP BY ratio
SELECT user_id, count(*) FROM orders GROUP BY user_id
SELECT user_id, sum(total) AS s FROM orders GROUP BY user_id HAVING sum(total) > 100
!SELECT user_id, sum(total) AS s FROM orders GROUP BY user_id ORDER BY s DESC NULLS LAST, user_id LIMIT 5
SELECT u.id, u.name, count(o.id) FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.id
SELECT u.country, sum(o.total) FROM users u JOIN orders o ON o.user_id = u.id GROUP BY u.country
SELECT c.name, count(*) FROM users u JOIN countries c ON c.code = u.country GROUP BY c.name
SELECT c.name, count(u.id) FROM countries c LEFT JOIN users u ON c.code = u.country GROUP BY c.name
SELECT country, count(*) FROM users GROUP BY country HAVING count(*) > 6
SELECT count(*) FROM users HAVING count(*) > 12
SELECT count(*) FROM users HAVING count(*) > 1000
SELECT country FROM users GROUP BY country HAVING max(level) = 4
SELECT country, count(*) FROM users GROUP BY country HAVING country > 'e'
SELECT DISTINCT country FROM users
SELECT DISTINCT country, level FROM users
SELECT DISTINCT id, country FROM users
SELECT DISTINCT user_id FROM orders
SELECT DISTINCT upper(country) FROM users
SELECT country, level, count(*) FROM users GROUP BY ROLLUP (country, level)
SELECT country, level, count(*) FROM users GROUP BY CUBE (country, level)
SELECT country, count(*) FROM users GROUP BY GROUPING SETS ((country), ())
SELECT country, count(*), rank() OVER (ORDER BY count(*) DESC, country) FROM users GROUP BY country
SELECT (SELECT count(*) FROM users) - (SELECT count(*) FROM orders)
SELECT x.n FROM (SELECT count(*) AS n FROM users) x
SELECT max(n) FROM (SELECT user_id, count(*) AS n FROM orders GROUP BY user_id) x
SELECT max(n) FROM (SELECT country, count(*) AS n FROM users GROUP BY country) x
SELECT count(*) FROM (SELECT DISTINCT country FROM users) x
WITH c AS (SELECT count(*) AS n FROM users) SELECT n FROM c
WITH c AS (SELECT country, count(*) AS n FROM users GROUP BY country) SELECT * FROM c WHERE n > 5
SELECT sum(level) OVER () FROM users WHERE id < 5
SELECT sum(count(*)) OVER () FROM users
SELECT count(*) FROM users, countries
SELECT count(*) FROM countries, audit_log
SELECT sum(2147483647::int) FROM users
SELECT sum(9223372036854775807) FROM orders
SELECT any_value(1) FROM users
SELECT count(*), 7 AS seven, 'x' FROM users
SELECT 1 FROM users HAVING true
SELECT sum(id) FROM users WHERE id = 7
SELECT avg(score), country FROM users WHERE id IN (1, 2, 3, 4) GROUP BY country
SELECT count(DISTINCT country), count(*), avg(level), max(name) FROM users
SELECT count(DISTINCT level), sum(DISTINCT level), avg(DISTINCT level), count(DISTINCT name) FROM users
SELECT sum(DISTINCT qty), min(DISTINCT total), count(total) FROM orders WHERE user_id > 100000
SELECT country, count(DISTINCT level), sum(level), bool_or(active) FROM users GROUP BY country
!SELECT country, count(DISTINCT mood) FROM users GROUP BY country HAVING count(DISTINCT mood) > 1 ORDER BY count(DISTINCT level) DESC, country
SELECT count(DISTINCT score), sum(DISTINCT score) FROM users
SELECT count(DISTINCT country) FILTER (WHERE active) FROM users
SELECT count(DISTINCT (country, level)) FROM users
SELECT count(DISTINCT upper(country)) + count(DISTINCT upper(country)) FROM users
SELECT count(DISTINCT tags), count(DISTINCT extra), count(DISTINCT ratio) FROM users
SELECT count(DISTINCT 1), count(DISTINCT NULL) FROM users
SELECT count(DISTINCT level) FROM users WHERE id IN (1, 2, 3, 4)
-- Different values of the key beside those of other columns, in both orders.
SELECT count(DISTINCT user_id), count(DISTINCT qty) FROM orders
SELECT count(DISTINCT qty), count(DISTINCT user_id) FROM orders
SELECT sum(DISTINCT user_id), count(DISTINCT qty) FROM orders
SELECT avg(DISTINCT user_id), count(DISTINCT qty), count(user_id), sum(qty), count(*) FROM orders
SELECT min(DISTINCT user_id), max(DISTINCT user_id), bit_and(DISTINCT user_id), count(DISTINCT qty) FROM orders
SELECT note, count(DISTINCT user_id), count(DISTINCT qty), sum(DISTINCT user_id) FROM orders GROUP BY note
!SELECT note, count(DISTINCT qty) FROM orders GROUP BY note HAVING count(DISTINCT user_id) > 2 ORDER BY count(DISTINCT user_id) DESC, note
!SELECT note, count(DISTINCT user_id) FROM orders GROUP BY note HAVING count(DISTINCT qty) > 1 ORDER BY sum(DISTINCT qty), note
SELECT note FROM orders GROUP BY note HAVING count(DISTINCT user_id) > 4 AND count(DISTINCT qty) > 1
!SELECT note, sum(count(DISTINCT user_id)) OVER (ORDER BY note), rank() OVER (ORDER BY count(DISTINCT qty), note) FROM orders GROUP BY note ORDER BY note
SELECT count(DISTINCT user_id) FILTER (WHERE qty > 1), count(DISTINCT qty) FROM orders
SELECT count(DISTINCT user_id) FILTER (WHERE qty > 1), count(DISTINCT user_id) FROM orders
SELECT count(DISTINCT qty) FILTER (WHERE user_id > 5), count(DISTINCT user_id) FROM orders
SELECT count(DISTINCT user_id) + count(DISTINCT qty), count(DISTINCT user_id) * 100.0 / count(*) FROM orders
SELECT coalesce(sum(DISTINCT user_id), 0), CASE WHEN count(DISTINCT note) > 1 THEN count(DISTINCT user_id) END FROM orders
SELECT count(DISTINCT user_id + 0), count(DISTINCT user_id), count(DISTINCT note), count(DISTINCT qty), count(DISTINCT id) FROM orders
SELECT count(DISTINCT u.id), count(DISTINCT o.qty) FROM users u JOIN orders o ON o.user_id = u.id
SELECT u.country, count(DISTINCT u.id), count(DISTINCT o.qty), count(*), sum(o.qty) FROM users u JOIN orders o ON o.user_id = u.id GROUP BY 1
SELECT u.country, count(DISTINCT o.qty), count(DISTINCT o.user_id), count(DISTINCT u.id) FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY 1
SELECT c.name, count(DISTINCT u.id), count(DISTINCT u.level) FROM countries c JOIN users u ON u.country = c.code GROUP BY c.name
SELECT note, qty, count(DISTINCT user_id), count(DISTINCT id) FROM orders GROUP BY ROLLUP (note, qty)
SELECT note, count(DISTINCT user_id), count(DISTINCT qty) FROM orders GROUP BY GROUPING SETS ((note), ())
SELECT count(DISTINCT code), count(DISTINCT size) FROM docs
SELECT count(DISTINCT size), count(DISTINCT code), max(DISTINCT code) FROM docs
SELECT count(DISTINCT user_id), count(DISTINCT qty) FROM orders WHERE user_id > 100000
SELECT count(DISTINCT a), count(DISTINCT b) FROM (SELECT user_id AS a, qty AS b FROM orders) x
SELECT DISTINCT count(DISTINCT user_id), count(DISTINCT qty) FROM orders GROUP BY note

-- Aggregates and groups.
SELECT level, count(*), sum(level), avg(level), min(id), max(id) FROM users GROUP BY level
SELECT level, sum(id), avg(id), sum(score), avg(score) FROM users WHERE id BETWEEN -100 AND 100 GROUP BY level
SELECT country, sum(ratio * 8) FROM users WHERE ratio < 100 GROUP BY country
SELECT country, min(name), max(name), min(mood), max(mood) FROM users GROUP BY country
SELECT country, bool_and(active), bool_or(active), every(level > 0) FROM users GROUP BY country
SELECT country, bit_and(level), bit_or(level), bit_xor(level) FROM users GROUP BY country
SELECT country, count(DISTINCT level), sum(DISTINCT level) FROM users GROUP BY country
SELECT country, count(DISTINCT id), count(id) FROM users GROUP BY country
SELECT count(DISTINCT (level, country)) FROM users
SELECT country, array_agg(id ORDER BY id), string_agg(name, ';' ORDER BY name, id) FROM users GROUP BY country
SELECT country, json_agg(level ORDER BY id), jsonb_object_agg(id, level) FROM users GROUP BY country
SELECT country, stddev(level), variance(level), var_pop(level), stddev_pop(level) FROM users GROUP BY country
SELECT country, percentile_disc(0.5) WITHIN GROUP (ORDER BY level), mode() WITHIN GROUP (ORDER BY level) FROM users GROUP BY country
SELECT rank(3) WITHIN GROUP (ORDER BY level) FROM users
SELECT corr(level, id), regr_slope(level, id) FROM users WHERE id BETWEEN 1 AND 8
SELECT level % 2, count(*) FROM users GROUP BY level % 2
SELECT level % 2 AS odd, count(*) FROM users GROUP BY odd
SELECT level % 2, count(*) FROM users GROUP BY 1
SELECT upper(country), count(*) FROM users GROUP BY upper(country)
SELECT level IS NULL, active, count(*) FROM users GROUP BY 1, 2
SELECT count(*) FROM users GROUP BY level
SELECT 1 FROM users GROUP BY level
SELECT level + 1, count(*) + 1 FROM users GROUP BY level
SELECT level + count(*) FROM users GROUP BY level
SELECT level, count(*) FROM users GROUP BY level HAVING count(*) > 5
SELECT level FROM users GROUP BY level HAVING sum(id) > 50 AND min(id) > -100 AND max(id) < 100
SELECT level FROM users GROUP BY level HAVING level > 2
SELECT count(*) FROM users HAVING count(*) > 1000
SELECT count(*) FROM users HAVING count(*) > 10
SELECT 1 FROM users HAVING true
SELECT country, level, count(*) FROM users GROUP BY country, level
SELECT country, level, count(*) FROM users GROUP BY ROLLUP (country, level)
SELECT country, level, count(*), grouping(country, level) FROM users GROUP BY CUBE (country, level)
SELECT country, level, count(*) FROM users GROUP BY GROUPING SETS ((country), (level), ())
SELECT country, active, level, count(*) FROM users GROUP BY country, ROLLUP (active, level)
SELECT count(*) FROM users GROUP BY ()
!SELECT level, count(*) AS n FROM users GROUP BY level ORDER BY n DESC, level
!SELECT level, count(*) FROM users GROUP BY level ORDER BY count(*) DESC, level NULLS FIRST
!SELECT level, sum(id) FROM users WHERE id < 1000 AND id > -1000 GROUP BY level ORDER BY sum(id) LIMIT 2
!SELECT level, avg(score) AS a FROM users WHERE score <> 'NaN' GROUP BY level ORDER BY a DESC NULLS LAST, level LIMIT 3 OFFSET 1
!SELECT level FROM users GROUP BY level ORDER BY max(name), level
!SELECT country, level, count(*) FROM users GROUP BY country, level ORDER BY country, level
!SELECT country FROM users GROUP BY country ORDER BY country DESC NULLS LAST
!SELECT country AS c, count(*) FROM users GROUP BY c ORDER BY c
!SELECT name, count(*) FROM users GROUP BY name ORDER BY 2 DESC, 1 LIMIT 4
!SELECT DISTINCT count(*) FROM users GROUP BY level ORDER BY 1
SELECT u.id, u.name, count(o.id) FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.id
SELECT u.id, u.name, u.country, sum(o.total) FROM users u JOIN orders o ON o.qty = u.level GROUP BY u.id
SELECT u.*, count(o.id) FROM users u LEFT JOIN orders o ON o.qty = u.level GROUP BY u.id
SELECT c.code, c.name, count(u.id) FROM countries c LEFT JOIN users u ON u.country = c.code GROUP BY c.code
SELECT id, name FROM users GROUP BY id
SELECT id, name FROM users GROUP BY level
SELECT o.user_id, o.id, o.note, count(i.n) FROM orders o LEFT JOIN items i ON i.order_id = o.id GROUP BY o.user_id, o.id
SELECT sum(total) FILTER (WHERE qty = 1), count(*) FILTER (WHERE qty > 1), avg(total) FILTER (WHERE note IS NULL) FROM orders
SELECT qty, sum(total) FILTER (WHERE user_id % 2 = 0) FROM orders GROUP BY qty
SELECT sum(total) / nullif(count(total), 0), round(sum(total) / count(*), 3) FROM orders
SELECT sum(qty) * 1.0 / count(*) FROM orders
SELECT max(level) - min(level) + 1 FROM users
SELECT sum(level) + sum(id) FROM users WHERE id BETWEEN 1 AND 30
SELECT sum(level + 1), sum(level * 2), avg(level + id) FROM users WHERE id BETWEEN 1 AND 30
SELECT sum(CASE WHEN active THEN 1 ELSE 0 END) FROM users
SELECT sum((active)::int), avg((level > 2)::int) FROM users
SELECT count(*), count(1), count(NULL), count(level), count(DISTINCT level) FROM users
SELECT count(*) FROM users WHERE level = 77
SELECT sum(level), avg(level), min(level), max(name), bool_and(active) FROM users WHERE level = 77
SELECT sum(id) FROM users WHERE id < 100 AND id > -100
SELECT sum(id), avg(id) FROM users
SELECT sum(9223372036854775807) FROM users
SELECT sum(qty), pg_typeof(sum(qty)), avg(qty), pg_typeof(avg(qty)) FROM orders
SELECT avg(total)::numeric(10, 4), avg(total) FROM orders
SELECT avg(score) FROM users WHERE id BETWEEN 1 AND 10
SELECT sum(population), avg(population) FROM countries
SELECT sum(interval '1 hour' * level), avg(interval '1 hour' * level) FROM users
SELECT min(at), max(at) FROM logins
SELECT min(created::date), max(created::time) FROM orders
SELECT max(tags) FROM users
SELECT min(code), max(code) FROM docs
SELECT max(body) FROM docs
SELECT max(source), min(source) FROM crm.leads
SELECT source, count(*) FROM crm.leads GROUP BY source
!SELECT source, count(*) FROM crm.leads GROUP BY source ORDER BY source
SELECT "select", count(*) FROM "Odd Names" GROUP BY "select"
SELECT xmlagg(xmlelement(name a, id) ORDER BY id)::text FROM tenants
SELECT range_agg(int8range(id, id + 1)) FROM tenants
SELECT any_value(1) FROM users
SELECT count(*) FROM users WHERE id IN (1, 2, 3) GROUP BY country
SELECT level, count(*) FROM users WHERE id IN (1, 2, 3, 4, 5) GROUP BY level
SELECT level, count(*) FROM users WHERE id = 7 GROUP BY level
SELECT o.qty, u.country, sum(o.total), count(*) FROM users u JOIN orders o ON o.user_id = u.id GROUP BY o.qty, u.country
SELECT u.country, count(DISTINCT o.user_id), count(o.id) FROM users u JOIN orders o ON o.user_id = u.id GROUP BY u.country
SELECT u.country, sum(i.price), max(i.price) FROM users u JOIN orders o ON o.user_id = u.id JOIN items i ON i.user_id = o.user_id AND i.order_id = o.id GROUP BY u.country HAVING sum(i.price) > 20
SELECT u.country, c.name, count(*) FROM users u JOIN countries c ON c.code = u.country GROUP BY u.country, c.name
SELECT level, count(*) FROM users u WHERE EXISTS (SELECT FROM orders o WHERE o.user_id = u.id) GROUP BY level
SELECT country, max((SELECT count(*) FROM orders o WHERE o.user_id = u.id)) FROM users u GROUP BY country
SELECT sum(n), max(n) FROM (SELECT user_id, count(*) AS n FROM orders GROUP BY user_id) x
SELECT sum(sum) FROM (SELECT sum(total) AS sum FROM orders GROUP BY qty) x
SELECT count(*) FROM users GROUP BY (country, level)
SELECT country, level, count(*) FROM users GROUP BY (country, level)
SELECT DISTINCT (country, level) FROM users
SELECT DISTINCT s FROM (SELECT country, level FROM users) s
SELECT s, count(*) FROM (SELECT country, level FROM users) s GROUP BY s
SELECT DISTINCT u FROM users u WHERE u.level = 2
SELECT DISTINCT CASE WHEN active THEN ROW(level) END FROM users
SELECT count(*) FROM users GROUP BY ROLLUP (country)
SELECT sum(level) FROM users GROUP BY country, CUBE (active, level % 2)
SELECT level % 2, count(*) FROM users GROUP BY GROUPING SETS ((level % 2), ())
!SELECT country, active, count(*) FROM users GROUP BY active, ROLLUP (country) ORDER BY active, country, 3
SELECT count(*) FROM users GROUP BY country, ()

-- What a page of PostgreSQL's manual has each.
SELECT id, row_number() OVER w, sum(level) OVER (w ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM users WINDOW w AS (PARTITION BY country ORDER BY id) ORDER BY id
SELECT country, avg(score) FILTER (WHERE level > 1), count(*) FILTER (WHERE active) FROM users GROUP BY country ORDER BY country NULLS FIRST
SELECT country, level, count(*) FROM users GROUP BY GROUPING SETS ((country), (level), ()) ORDER BY 1, 2, 3
SELECT country, level, count(*), grouping(country, level) FROM users GROUP BY CUBE (country, level) ORDER BY 1, 2, 3, 4
SELECT country, level, count(*) FROM users GROUP BY ROLLUP (country, level), active ORDER BY 1, 2, 3
SELECT country, level, count(*) FROM users GROUP BY GROUPING SETS (ROLLUP (country, level), CUBE (active)) ORDER BY 1, 2, 3
SELECT DISTINCT ON (country) country, id, name FROM users ORDER BY country, id DESC
SELECT id FROM users ORDER BY level DESC NULLS LAST, id FETCH FIRST 5 ROWS WITH TIES
SELECT id FROM users ORDER BY score OFFSET 3 ROWS FETCH NEXT 4 ROWS ONLY
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY level), percentile_disc(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY id), mode() WITHIN GROUP (ORDER BY country) FROM users
SELECT rank(3) WITHIN GROUP (ORDER BY level), dense_rank(3) WITHIN GROUP (ORDER BY level DESC) FROM users
SELECT corr(id, level), regr_slope(level, id), covar_pop(id, level), stddev_samp(level), var_pop(level) FROM users WHERE id BETWEEN 0 AND 40
SELECT array_agg(id ORDER BY id DESC) FILTER (WHERE id > 30), string_agg(DISTINCT country, ',' ORDER BY country), json_agg(id ORDER BY id), jsonb_object_agg(id, name) FROM users WHERE id BETWEEN 0 AND 40
SELECT bool_and(active), bool_or(active), every(active), bit_or(level), bit_and(level), bit_xor(level) FROM users
WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 10) SELECT sum(n) FROM t
WITH RECURSIVE t(id, depth) AS (SELECT id, 1 FROM users WHERE id = 1 UNION ALL SELECT u.id, depth + 1 FROM users u JOIN t ON u.id = t.id * 2 WHERE depth < 6) SELECT * FROM t ORDER BY 1
WITH RECURSIVE t AS (SELECT id, level FROM users WHERE id = 1 UNION SELECT u.id, u.level FROM users u, t WHERE u.id = t.id + 1 AND u.id < 9) SEARCH DEPTH FIRST BY id SET ord SELECT id FROM t ORDER BY ord
WITH RECURSIVE t(id) AS (SELECT 1::bigint UNION ALL SELECT u.level + 1 FROM users u, t WHERE u.id = t.id) CYCLE id SET is_cycle USING path SELECT id, is_cycle FROM t ORDER BY 1, 2
SELECT u.id, x.n FROM users u CROSS JOIN LATERAL (SELECT count(*) AS n FROM orders o WHERE o.user_id = u.id AND o.qty > u.level) x ORDER BY 1
SELECT u.id, o.id FROM users u LEFT JOIN LATERAL (SELECT id FROM orders o WHERE o.user_id = u.id ORDER BY total DESC NULLS LAST LIMIT 1) o ON true ORDER BY 1
SELECT * FROM users NATURAL JOIN (SELECT user_id AS id, qty FROM orders) o WHERE id < 5 ORDER BY id, qty
SELECT id, user_id FROM users FULL JOIN (SELECT DISTINCT user_id FROM orders) o ON o.user_id = users.id ORDER BY 1, 2
SELECT u.name FROM users u WHERE NOT EXISTS (SELECT FROM orders o WHERE o.user_id = u.id) ORDER BY 1
SELECT id FROM users WHERE (level, country) IN (SELECT level, country FROM users WHERE id = 3) ORDER BY id
SELECT id FROM users WHERE level >= ALL (SELECT level FROM users WHERE level IS NOT NULL) ORDER BY id
SELECT id FROM users WHERE level = ANY (ARRAY[1, 2]) AND id <> ALL ('{3,4}'::bigint[]) ORDER BY id
SELECT id FROM users WHERE (level, id) > (2, 10) ORDER BY id
SELECT id FROM users WHERE level BETWEEN SYMMETRIC 3 AND 1 ORDER BY id
SELECT id FROM users WHERE country IS DISTINCT FROM 'de' ORDER BY id
SELECT id FROM users WHERE name SIMILAR TO '(a|c)%' OR name ~* '^bob' ORDER BY id
SELECT id, overlay(name placing 'XX' from 2 for 1), position('o' in name), substring(name from 2 for 2), trim(both 'a' from name), extract(year from born) FROM users WHERE id BETWEEN 1 AND 9 ORDER BY id
SELECT id, born + interval '1 month', born - date '2000-01-01', age(timestamp '2024-01-01', born), date_trunc('month', born), to_char(born, 'YYYY-Mon-DD') FROM users WHERE id BETWEEN 1 AND 9 ORDER BY id
SELECT at AT TIME ZONE 'UTC', at::date FROM logins ORDER BY 1
SELECT id, tags[1], tags[1:2], array_length(tags, 1), cardinality(tags), tags || 'z', 't1' = ANY (tags), tags @> ARRAY['t1'] FROM users ORDER BY id LIMIT 9
SELECT id, t, n FROM users, unnest(tags) WITH ORDINALITY AS x(t, n) WHERE id < 9 ORDER BY 1, 3
SELECT id, extra->>'s', extra->'n', extra #>> '{s}', extra ? 'n', extra @> '{"n": 1}', extra - 'n', jsonb_path_query_first(extra, '$.n') FROM users ORDER BY id LIMIT 9
SELECT id, k, v FROM users, jsonb_each_text(extra) e(k, v) WHERE id < 9 ORDER BY 1, 2
SELECT * FROM json_to_recordset('[{"a":1,"b":"x"},{"a":2,"b":"y"}]') AS t(a int, b text) JOIN users ON users.id = a ORDER BY a
SELECT * FROM ROWS FROM (generate_series(1, 3), unnest(ARRAY['a', 'b'])) AS t(n, c)
SELECT u.id, r.n FROM users u, ROWS FROM (generate_series(1, 2)) AS r(n) WHERE u.id < 4 ORDER BY 1, 2
SELECT id, to_tsvector('english', name) @@ to_tsquery('english', 'ann') FROM users ORDER BY id LIMIT 5
SELECT id FROM users WHERE name COLLATE "C" > 'b' ORDER BY name COLLATE "C" DESC, id LIMIT 7
SELECT count(*), count(DISTINCT (country, level)) FROM users
SELECT id, CASE level WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'more' END, coalesce(country, '-'), nullif(level, 2), greatest(level, 2), least(id, 3) FROM users ORDER BY id LIMIT 9
SELECT id, @ (id - 5), |/ 25.0, -level, ~ level, level # 3, level << 1, 2 ^ 3, 7 % 4, !!'a'::tsquery FROM users ORDER BY id LIMIT 5
SELECT id, 5 ! = 1 FROM users WHERE id = 1
SELECT id, (home).street FROM crm.leads l JOIN users u ON u.id = l.user_id ORDER BY 1, 2
SELECT (l.home).* FROM crm.leads l ORDER BY 1, 2
SELECT user_id, n, (home).zip FROM crm.leads WHERE (home).zip > 1 ORDER BY 1, 2
SELECT id FROM users WHERE id IN (SELECT user_id FROM orders GROUP BY user_id HAVING sum(total) > 50) ORDER BY id
SELECT country, sum(total) FROM users JOIN orders ON orders.user_id = users.id GROUP BY country HAVING count(*) > 3 ORDER BY sum(total) DESC NULLS LAST, country
SELECT id, lag(level, 1, 0) OVER (ORDER BY id), lead(name) OVER (ORDER BY id), first_value(id) OVER (PARTITION BY country ORDER BY id), nth_value(id, 2) OVER (ORDER BY id), ntile(4) OVER (ORDER BY id), cume_dist() OVER (ORDER BY level), percent_rank() OVER (ORDER BY level) FROM users ORDER BY id
SELECT id, sum(level) OVER (ORDER BY id RANGE BETWEEN 5 PRECEDING AND 5 FOLLOWING), count(*) OVER (ORDER BY level GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM users ORDER BY id
SELECT sum(count(*)) OVER (), country FROM users GROUP BY country ORDER BY country
SELECT id FROM users EXCEPT ALL SELECT user_id FROM orders ORDER BY 1
SELECT level FROM users INTERSECT ALL SELECT qty FROM orders ORDER BY 1
(SELECT id FROM users ORDER BY id LIMIT 2) UNION ALL (SELECT user_id FROM orders ORDER BY 1 DESC LIMIT 2) ORDER BY 1
VALUES (1, 'a'), (2, 'b') ORDER BY 1 DESC
TABLE countries ORDER BY code
SELECT * FROM (VALUES (1, 'x'), (7, 'y')) v(id, t) JOIN users USING (id) ORDER BY id
SELECT u.* FROM users u WHERE u.id = 7
SELECT (u).* FROM users u WHERE u.id = 7
SELECT u FROM users u ORDER BY u.id LIMIT 2
SELECT row_to_json(u) FROM users u WHERE id < 3 ORDER BY id
SELECT to_jsonb(o) - 'created' FROM orders o ORDER BY user_id, id LIMIT 3
SELECT format('%s-%s', id, name), concat_ws('/', id, country), md5(name), encode(body, 'hex') FROM users LEFT JOIN docs ON docs.size = users.level ORDER BY id, 4 LIMIT 5
SELECT ARRAY(SELECT o.id FROM orders o WHERE o.user_id = u.id ORDER BY o.id) FROM users u ORDER BY u.id LIMIT 6
SELECT (SELECT max(total) FROM orders), (SELECT count(*) FROM users)
SELECT id, EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id) FROM users u ORDER BY id LIMIT 6
SELECT generate_series(1, 3), id FROM users WHERE id < 3 ORDER BY 2, 1
SELECT make_interval(days => 3), make_date(2024, 2, 29), date '2024-01-31' + 1, timestamp '2024-01-01' - interval '1 day'
SELECT int4range(1, 5) @> 3, numrange(1, 2) && numrange(1.5, 3), int8multirange(int8range(1, 3), int8range(5, 7))
SELECT count(*) FROM users u1, users u2 WHERE u1.level < u2.level
SELECT a.id, b.id FROM users a JOIN users b ON a.country = b.country AND a.id < b.id WHERE a.id < 5 ORDER BY 1, 2 LIMIT 10
SELECT u.id FROM users u, orders o, items i WHERE u.id = o.user_id AND o.user_id = i.user_id AND o.id = i.order_id AND i.price > 10 GROUP BY u.id HAVING count(*) > 1 ORDER BY u.id
SELECT c.name, count(u.id) FROM countries c LEFT JOIN users u ON u.country = c.code GROUP BY c.name ORDER BY 2 DESC, 1
SELECT c.name FROM users u RIGHT JOIN countries c ON c.code = u.country WHERE u.id IS NULL ORDER BY 1
SELECT id FROM users WHERE born = (SELECT min(born) FROM users) ORDER BY 1
SELECT max(id) FILTER (WHERE country = 'de') - min(id) FROM users WHERE id BETWEEN 0 AND 100
SELECT sum(id) FROM users
SELECT avg(level)::numeric(10, 3), sum(ratio) IS NULL, count(score), min(name), max(born) FROM users
SELECT mood, count(*) FROM users GROUP BY mood ORDER BY mood
SELECT xmlelement(name foo, xmlattributes(id AS bar), name) FROM users WHERE id = 7
SELECT id FROM users TABLESAMPLE BERNOULLI (100) ORDER BY id LIMIT 3
SELECT id FROM users WHERE id = 7 FOR UPDATE
SELECT id FROM users WHERE level = 1 ORDER BY id FOR UPDATE
SELECT id FROM users WHERE level = 1 ORDER BY id FOR SHARE OF users NOWAIT
EXPLAIN (COSTS OFF) SELECT id FROM users WHERE id = 7
SELECT current_date = now()::date, current_timestamp = now(), localtimestamp IS NOT NULL
SELECT pg_typeof(id), pg_typeof(score) FROM users WHERE id = 7
SELECT id FROM users WHERE id::text LIKE '1%' ORDER BY id
SELECT id FROM users WHERE id % 10 = 3 AND id > 0 ORDER BY id
SELECT DISTINCT level, country FROM users ORDER BY 1, 2
SELECT count(DISTINCT country), count(DISTINCT level) FROM users
SELECT level, count(DISTINCT country) FROM users GROUP BY level ORDER BY level
SELECT * FROM generate_series(1, 3) g LEFT JOIN users ON users.id = g ORDER BY g
SELECT lower(name) AS l, count(*) FROM users GROUP BY l HAVING count(*) > 1 ORDER BY l
SELECT upper(country) FROM users GROUP BY upper(country) ORDER BY 1
SELECT id FROM users ORDER BY lower(name), id LIMIT 5
SELECT id AS x FROM users ORDER BY -id LIMIT 3
SELECT name FROM users ORDER BY length(name), name, id LIMIT 5 OFFSET 5
SELECT user_id, id, sum(total) OVER (PARTITION BY user_id ORDER BY id) FROM orders ORDER BY user_id, id LIMIT 20
SELECT id FROM users u WHERE (SELECT count(*) FROM orders o WHERE o.user_id = u.id) > 2 ORDER BY id
SELECT o.user_id, (SELECT name FROM users u WHERE u.id = o.user_id), (SELECT name FROM countries WHERE code = 'de') FROM orders o ORDER BY 1, 2 LIMIT 5
SELECT string_agg(name, ', ' ORDER BY id) FROM users WHERE id BETWEEN 1 AND 12
SELECT json_build_object('id', id, 'orders', (SELECT json_agg(o.id ORDER BY o.id) FROM orders o WHERE o.user_id = u.id)) FROM users u WHERE id BETWEEN 1 AND 5 ORDER BY id
SELECT jsonb_agg(to_jsonb(u) ORDER BY id) FROM (SELECT id, name FROM users ORDER BY id LIMIT 3) u
SELECT width_bucket(id, 0, 40, 4), count(*) FROM users WHERE id BETWEEN 0 AND 40 GROUP BY 1 ORDER BY 1
SELECT date_trunc('month', created) AS m, sum(total) FROM orders GROUP BY m ORDER BY m
SELECT extract(dow FROM created), count(*) FROM orders GROUP BY 1 ORDER BY 1
SELECT id, name FROM users WHERE name LIKE 'a%' ESCAPE '!' ORDER BY id
SELECT id FROM users WHERE tags && ARRAY['t1', 't2'] ORDER BY id
SELECT id FROM users WHERE extra @> '{"n": 2}' ORDER BY id
SELECT id FROM users WHERE extra @? '$.n ? (@ > 1)' ORDER BY id
SELECT unnest(tags) AS t, count(*) FROM users GROUP BY 1 ORDER BY 1
SELECT id, variance(level) OVER (PARTITION BY country) FROM users ORDER BY id
SELECT regexp_replace(name, '[aeiou]', '*', 'g'), split_part(email, '@', 1) FROM users ORDER BY id LIMIT 5
SELECT regexp_matches(name, '(a)(n)') FROM users ORDER BY id LIMIT 5
SELECT * FROM regexp_split_to_table('a,b,c', ',') AS s
SELECT id, random() < 2 FROM users ORDER BY id LIMIT 3
SELECT id FROM users ORDER BY random() LIMIT 0
SELECT count(*) FROM users WHERE random() < 2
SELECT CAST(id AS text) || '!' FROM users ORDER BY id LIMIT 2
SELECT 'abc' LIKE 'a%', 1 IN (1, 2), NULL IS NULL, TRUE AND FALSE OR NOT FALSE
SELECT id FROM users WHERE level IS NULL AND active IS NOT TRUE AND country IS NOT NULL ORDER BY id
SELECT u.id, o.id, i.n FROM users u LEFT JOIN orders o ON o.user_id = u.id AND o.qty > 1 LEFT JOIN items i ON i.user_id = o.user_id AND i.order_id = o.id ORDER BY 1, 2, 3 LIMIT 12
SELECT DISTINCT u.country FROM users u JOIN orders o ON u.id = o.user_id WHERE o.total > (SELECT avg(total) FROM orders) ORDER BY 1
WITH a AS (SELECT country, count(*) AS n FROM users GROUP BY country), b AS MATERIALIZED (SELECT max(n) AS m FROM a) SELECT a.* FROM a, b WHERE a.n = b.m ORDER BY 1
SELECT id FROM users WHERE (id, level) = ANY (SELECT user_id, qty FROM orders) ORDER BY id
SELECT id FROM ONLY users WHERE id < 4 ORDER BY id
SELECT * FROM users AS u(a, b) WHERE a = 7
SELECT t.a FROM users AS t(a, b) ORDER BY a LIMIT 2
SELECT u.id, v.x FROM users u JOIN (VALUES (1, 'p'), (2, 'q')) v(id, x) ON v.id = u.id ORDER BY 1
SELECT count(*) FROM (SELECT 1 FROM users LIMIT 5 OFFSET 2) s
SELECT max(n) FROM (SELECT count(*) AS n FROM orders GROUP BY user_id) s
SELECT s.country, s.n FROM (SELECT country, count(*) AS n, rank() OVER (ORDER BY count(*) DESC) AS r FROM users GROUP BY country) s WHERE r <= 2 ORDER BY 1
SELECT a, b FROM users u, ROWS FROM (generate_series(1, u.level), unnest(u.tags)) WITH ORDINALITY AS x(a, b, n) WHERE u.id < 9 ORDER BY u.id, n
SELECT count(*) FROM users u CROSS JOIN LATERAL ROWS FROM (jsonb_each_text(u.extra), generate_series(1, 2)) x
SELECT * FROM ROWS FROM (json_to_recordset('[{"a":1}]') AS (a int), generate_series(1, 2)) x
SELECT * FROM ROWS FROM (lower('A')) x, users ORDER BY id LIMIT 2
SELECT id FROM users WHERE id IN (SELECT a FROM ROWS FROM (generate_series(6, 7)) x(a)) ORDER BY 1
SELECT * FROM ROWS FROM (users)
SELECT country, active, count(*), sum(level) FROM users GROUP BY GROUPING SETS (country, CUBE (active, level), ()) HAVING count(*) > 2 ORDER BY 1, 2, 3, 4
SELECT country, count(*) FROM users GROUP BY country, ROLLUP (level, (active, mood)) ORDER BY 1, 2

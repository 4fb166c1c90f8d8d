-- Every clause of SELECT over sharded tables.
SELECT ALL id FROM users
SELECT DISTINCT country FROM users
SELECT DISTINCT country, active FROM users
SELECT DISTINCT score FROM users
SELECT DISTINCT level + 1 FROM users
SELECT DISTINCT * FROM orders
SELECT DISTINCT upper(country) FROM users WHERE level > 1
!SELECT DISTINCT country FROM users ORDER BY country
!SELECT DISTINCT country FROM users ORDER BY country DESC NULLS LAST LIMIT 2
!SELECT DISTINCT level % 2 AS odd FROM users ORDER BY odd NULLS FIRST
SELECT DISTINCT id FROM users ORDER BY name
!SELECT DISTINCT ON (country) country, id FROM users ORDER BY country, id
!SELECT DISTINCT ON (country) country, id, name FROM users ORDER BY country DESC, level NULLS FIRST, id
!SELECT DISTINCT ON (user_id) user_id, id, total FROM orders ORDER BY user_id, total DESC NULLS LAST, id
SELECT count(*) FROM (SELECT DISTINCT ON (level) level FROM users) x
!SELECT DISTINCT ON (level, country) level, country, id FROM users ORDER BY level, country, id DESC
SELECT 1 FROM users
SELECT FROM users
SELECT NULL FROM users WHERE level = 3
SELECT 'const' AS c, count(*) FROM users
SELECT id, 2 * level - 1 AS x, level / 2, level % 2, -level FROM users
SELECT id, name || '!' FROM users
SELECT id, CASE level WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'many' END FROM users
SELECT id, COALESCE(email, name, 'none'), NULLIF(level, 2), GREATEST(level, 2), LEAST(level, 2) FROM users
SELECT id, name LIKE 'a%', name ILIKE 'A%', name ~ '^[a-c]', name SIMILAR TO '%(a|b)%' FROM users
SELECT id FROM users WHERE name LIKE '%\_%' OR name LIKE 'x y%'
SELECT id FROM users WHERE level IS DISTINCT FROM 3
SELECT id FROM users WHERE level IS NOT DISTINCT FROM NULL
SELECT id FROM users WHERE (level, country) = (2, 'fr')
SELECT id FROM users WHERE (level, country) IN ((2, 'fr'), (3, 'jp'))
SELECT id FROM users WHERE (level, country) < (2, 'fr')
SELECT id FROM users WHERE level BETWEEN SYMMETRIC 3 AND 1
SELECT id FROM users WHERE level NOT BETWEEN 1 AND 3
SELECT id FROM users WHERE NOT (level = 1 OR level IS NULL)
SELECT id FROM users WHERE active IS UNKNOWN
SELECT id FROM users WHERE active
SELECT id FROM users WHERE NOT active
SELECT id FROM users WHERE tags @> ARRAY['t1']
SELECT id FROM users WHERE 't1' = ANY (tags)
SELECT id FROM users WHERE extra ->> 's' = 'v1' AND (extra -> 'n')::int > 1
SELECT id, extra -> 'n' AS n FROM users WHERE extra ? 's'
SELECT id, tags[1], tags[1:1], array_length(tags, 1) FROM users
SELECT id, unnest(tags) FROM users
SELECT unnest(tags) AS t, count(*) FROM users GROUP BY t
!SELECT DISTINCT unnest(tags) AS t FROM users ORDER BY t
SELECT id, generate_series(1, level) FROM users WHERE level < 3
SELECT id, EXTRACT(year FROM born), date_trunc('month', born) FROM users
SELECT EXTRACT(dow FROM created), count(*) FROM orders GROUP BY 1
SELECT date_trunc('day', created) AS d, sum(total) FROM orders GROUP BY d HAVING sum(total) > 50
SELECT born + 1, born - date '2000-01-01', born + interval '1 month' FROM users
SELECT CAST(score AS integer), score::text, CAST(level AS numeric(4, 1)) FROM users WHERE score <> 'NaN'
SELECT id::text || '-' || level::text FROM users
SELECT substring(name from 1 for 2), position('a' in name), trim(both 'a' from name), overlay(name placing 'zz' from 2), upper(name), char_length(name) FROM users
SELECT id, (level > 2) IS TRUE AS high FROM users
SELECT count(*) FROM users WHERE level IN (SELECT 1 UNION SELECT 2)
SELECT * FROM users WHERE false
SELECT * FROM users WHERE NULL
SELECT id FROM users WHERE 1 = 1
SELECT users.* FROM users
SELECT u.id, u.* FROM users u
SELECT public.users.id FROM public.users
SELECT public.users.id, count(*) FROM public.users GROUP BY public.users.id
SELECT count(public.users.level) FROM public.users
SELECT public.users.* FROM public.users
TABLE users
TABLE tenants
!TABLE regions ORDER BY code
!TABLE tenants ORDER BY id DESC LIMIT 3
VALUES (1, 'a'), (2, 'b')
!VALUES (1, 'a'), (2, 'b') ORDER BY 1 DESC
SELECT * FROM (VALUES (1, 'x'), (7, 'y')) v (id, t) JOIN users USING (id)
SELECT v.t, u.name FROM (VALUES (1, 'x'), (7, 'y')) v (level, t) LEFT JOIN users u ON u.level = v.level
SELECT random() < 2 FROM users
SELECT count(*) FROM users WHERE random() < 2
SELECT now() = now(), count(*) FROM users
SELECT current_date - current_date, max(level) FROM users
SELECT count(*) FROM users WHERE born < now()
SELECT pg_typeof(count(*)), pg_typeof(sum(level)), pg_typeof(sum(id)), pg_typeof(avg(level)), pg_typeof(sum(score)) FROM users
SELECT pg_typeof(max(mood)), pg_typeof(array_agg(level)) FROM users
SELECT version() IS NOT NULL, count(*) FROM users
SELECT current_setting('DateStyle'), count(*) FROM users
SELECT current_user = session_user, count(*) FROM users
SELECT current_database(), current_schema(), count(*) FROM users
SELECT id FROM ONLY users WHERE level = 2
SELECT count(*) FROM ONLY users
SELECT count(*) FROM ONLY (users)
SELECT count(*) FROM users *
SELECT count(*) FROM users AS u (a, b, c) WHERE c IS NULL
SELECT a, count(*) FROM users AS u (z, y, x, a) GROUP BY a
SELECT max(u.a) FROM users u (a)
SELECT c.relname FROM pg_catalog.pg_class c WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p']) AND c.relname OPERATOR(pg_catalog.~) '^(users)$' COLLATE pg_catalog.default
SELECT u.id FROM users u WHERE u.id OPERATOR(pg_catalog.=) ANY (ARRAY[1, 7, 40]) AND NOT u.level OPERATOR(pg_catalog.=) ANY ('{1,2}')
SELECT u.id FROM users u WHERE u.id + 1 OPERATOR(pg_catalog.=) ANY (ARRAY[2, 8])

-- More of ORDER BY, LIMIT and OFFSET.
!SELECT name FROM users ORDER BY id
!SELECT name FROM users ORDER BY id DESC OFFSET 40
!SELECT name AS id FROM users WHERE level = 2 ORDER BY id, users.id
!SELECT id AS name FROM users ORDER BY users.name, name
!SELECT id AS level, level AS id FROM users ORDER BY level
!SELECT level, id FROM users ORDER BY level ASC NULLS LAST, 2 DESC
!SELECT id, level FROM users ORDER BY 2 DESC, 1
!SELECT * FROM users ORDER BY level, id LIMIT 6
!SELECT * FROM users ORDER BY 7 NULLS FIRST, 1 DESC LIMIT 6 OFFSET 2
!SELECT u.*, level AS l FROM users u ORDER BY l, id
!SELECT *, name AS n FROM users ORDER BY n, id
!SELECT id FROM users ORDER BY lower(name), id LIMIT 9
!SELECT id FROM users ORDER BY length(name) DESC, id
!SELECT id FROM users ORDER BY substring(name from 1 for 1), id
!SELECT id FROM users ORDER BY coalesce(level, 100), id
!SELECT id FROM users ORDER BY coalesce(email, name), id
!SELECT id FROM users ORDER BY name || coalesce(email, ''), id
!SELECT id FROM users ORDER BY level % 2, level / 2 DESC, id
!SELECT id FROM users ORDER BY score * 2 NULLS FIRST, id
!SELECT id FROM users ORDER BY -score DESC NULLS LAST, id
!SELECT id FROM users ORDER BY ratio::text, id
!SELECT id FROM users ORDER BY id::text
!SELECT id FROM users ORDER BY level::text, id
!SELECT id FROM users ORDER BY born - date '2000-01-01', id
!SELECT id FROM users ORDER BY extract(year from born), id
!SELECT id FROM users ORDER BY date_trunc('month', born) DESC NULLS LAST, id
!SELECT id FROM users ORDER BY active, level > 2, id
!SELECT id FROM users ORDER BY level IS NULL, id
!SELECT id FROM users ORDER BY level = 2 DESC NULLS LAST, id
!SELECT id FROM users ORDER BY level IN (1, 3), id
!SELECT id FROM users ORDER BY name LIKE 'a%', id
!SELECT id FROM users ORDER BY greatest(level, 2), least(level, 3), id
!SELECT id FROM users ORDER BY nullif(level, 3) NULLS FIRST, id
!SELECT id FROM users ORDER BY CASE country WHEN 'de' THEN name ELSE email END, id
!SELECT id FROM users ORDER BY CASE WHEN level > 2 THEN name ELSE 'zz' END, id
!SELECT id FROM users ORDER BY mood DESC NULLS LAST, id LIMIT 5
!SELECT id FROM users ORDER BY extra ->> 's', id
!SELECT id FROM users ORDER BY (extra ->> 'n')::int, id
!SELECT id FROM users ORDER BY tags[1], id
!SELECT id FROM users ORDER BY md5(name), id LIMIT 5
!SELECT id FROM users ORDER BY name COLLATE "en-x-icu", id
!SELECT id FROM users ORDER BY name COLLATE "C" DESC, id
!SELECT id FROM users ORDER BY country COLLATE "POSIX" NULLS FIRST, id LIMIT 12
!SELECT id FROM users ORDER BY (level), ((id))
!SELECT id FROM users ORDER BY level + 0, id LIMIT 0
!SELECT id FROM users ORDER BY id LIMIT 1000
!SELECT id FROM users ORDER BY id OFFSET 1000
!SELECT id FROM users ORDER BY id LIMIT 3 OFFSET 0
!SELECT id FROM users ORDER BY id OFFSET 5 LIMIT 3
!SELECT id FROM users ORDER BY id LIMIT NULL
!SELECT id FROM users ORDER BY id LIMIT ALL OFFSET 41
!SELECT id FROM users ORDER BY id OFFSET NULL
SELECT id FROM users ORDER BY id LIMIT -1
SELECT id FROM users ORDER BY id OFFSET -1
SELECT id FROM users ORDER BY id LIMIT 5 OFFSET -1
SELECT id FROM users ORDER BY id LIMIT -5 OFFSET 10
!SELECT id FROM users ORDER BY id LIMIT 2 * 2
!SELECT id FROM users ORDER BY id LIMIT 7 / 2
!SELECT id FROM users ORDER BY id LIMIT 2.5
!SELECT id FROM users ORDER BY id LIMIT '3'
!SELECT id FROM users ORDER BY id LIMIT 9223372036854775807 OFFSET 3
!SELECT id FROM users ORDER BY id LIMIT 3::int OFFSET 2::bigint
SELECT id FROM users ORDER BY id LIMIT 'x'
SELECT id FROM users ORDER BY id LIMIT id
SELECT level FROM users ORDER BY level NULLS FIRST FETCH FIRST 2 ROWS WITH TIES
SELECT level FROM users ORDER BY level OFFSET 5 FETCH NEXT 2 ROWS WITH TIES
SELECT country, level FROM users ORDER BY country, level FETCH FIRST 5 ROWS WITH TIES
!SELECT id FROM users ORDER BY id FETCH FIRST (1 + 1) ROWS ONLY
!SELECT id FROM users ORDER BY id FETCH FIRST ROW ONLY
SELECT count(*) FROM (SELECT id FROM users LIMIT 5) x
SELECT count(*) FROM (SELECT id FROM users OFFSET 40) x
SELECT id IS NOT NULL FROM users LIMIT 3
SELECT id IS NOT NULL FROM users OFFSET 43
SELECT id IS NOT NULL FROM users LIMIT 3 OFFSET 43
SELECT true FROM users WHERE level = 2 LIMIT 2
SELECT count(*) FROM users LIMIT 0
SELECT count(*) FROM users OFFSET 1
!SELECT id FROM users WHERE id IN (3, 1, 2) ORDER BY id DESC
!SELECT id FROM users WHERE id > 5 AND id < 12 ORDER BY name, id LIMIT 3
!SELECT o.user_id, o.id, u.name FROM orders o JOIN users u ON u.id = o.user_id ORDER BY o.total NULLS FIRST, o.user_id, o.id
!SELECT o.user_id, o.id FROM orders o LEFT JOIN users u ON u.id = o.user_id ORDER BY u.name NULLS FIRST, o.user_id, o.id LIMIT 4
!SELECT u.id, c.name FROM users u LEFT JOIN countries c ON c.code = u.country ORDER BY c.name DESC, u.id
!SELECT user_id, count(*) AS n FROM orders GROUP BY user_id ORDER BY n, user_id LIMIT 4
!SELECT user_id, sum(total) AS s FROM orders GROUP BY user_id ORDER BY s DESC NULLS LAST, user_id OFFSET 3 LIMIT 4
!SELECT user_id, max(created) FROM orders GROUP BY 1 ORDER BY 2, 1
!SELECT user_id FROM orders GROUP BY user_id ORDER BY count(*) DESC, max(total), user_id
!SELECT DISTINCT id, level FROM users ORDER BY level, id
!SELECT DISTINCT user_id FROM orders ORDER BY user_id DESC LIMIT 3
!SELECT id, row_number() OVER (PARTITION BY id) AS r FROM users ORDER BY r, id LIMIT 4
!SELECT user_id, id, rank() OVER (PARTITION BY user_id ORDER BY total) AS r FROM orders ORDER BY r DESC, user_id, id LIMIT 9
!SELECT * FROM (SELECT id, level AS l FROM users) x ORDER BY l, id
!SELECT x.l + 1 AS m FROM (SELECT id, level AS l FROM users) x ORDER BY m, x.id
!SELECT device, day FROM readings ORDER BY value NULLS FIRST, device, day
!SELECT device, day FROM readings ORDER BY device, day DESC LIMIT 5
!SELECT id FROM events ORDER BY weight DESC, id LIMIT 5
!SELECT id FROM tenants ORDER BY plan, id
!SELECT code FROM regions ORDER BY size DESC NULLS LAST, code
!SELECT id FROM users ORDER BY nosuch
SELECT id FROM users ORDER BY 3
SELECT id FROM users ORDER BY 'x'
SELECT id AS a, level AS a FROM users ORDER BY a
SELECT DISTINCT level FROM users ORDER BY id
SELECT id FROM users ORDER BY random() LIMIT 0
SELECT count(*) FROM (SELECT id FROM users ORDER BY random() LIMIT 5) x
SELECT 1 FROM users ORDER BY count(*)
!SELECT id FROM users ORDER BY id USING <
SELECT id /* first */ FROM users -- all of them
!SELECT id FROM users ORDER BY level USING >, id USING <
!SELECT id FROM users ORDER BY level USING < NULLS FIRST, id USING > LIMIT 4
SELECT array_agg(id ORDER BY id USING >) FROM users
!SELECT id FROM users ORDER BY id OFFSET 3 FETCH NEXT (2 * 2) ROWS ONLY
!SELECT id FROM users ORDER BY id FETCH FIRST ($1 + 1) ROWS ONLY @ 3
!SELECT id, s.n FROM users, LATERAL (SELECT 1 AS n FROM orders WHERE user_id = users.id FETCH FIRST (1) ROW ONLY) s ORDER BY id
SELECT level FROM users ORDER BY level FETCH FIRST (2 + 1) ROWS WITH TIES
!SELECT id FROM users ORDER BY id FETCH FIRST (-1) ROWS ONLY
!SELECT id FROM users ORDER BY id::text COLLATE "C" LIMIT 5
!SELECT id FROM users ORDER BY (level + 1)::text COLLATE "C" DESC, id LIMIT 5
!SELECT id, percentile_disc(0.5) WITHIN GROUP (ORDER BY level) AS x FROM users GROUP BY id ORDER BY id
!SELECT id, mode() WITHIN GROUP (ORDER BY level), count(*) AS "group" FROM users GROUP BY id ORDER BY 1 LIMIT 5

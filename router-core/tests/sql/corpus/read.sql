-- pgbench
UPDATE pgbench_accounts SET abalance = abalance + -4211 WHERE aid = 82011;
SELECT abalance FROM pgbench_accounts WHERE aid = $1;
UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, 82011, -4211, CURRENT_TIMESTAMP);
select o.n, p.partstrat, pg_catalog.count(i.inhparent) from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on (n.oid = c.relnamespace) cross join lateral (select pg_catalog.array_position(pg_catalog.current_schemas(true), n.nspname)) as o(n) left join pg_catalog.pg_partitioned_table as p on (p.partrelid = c.oid) left join pg_catalog.pg_inherits as i on (c.oid = i.inhparent) where c.relname = 'pgbench_accounts' and o.n is not null group by 1, 2 order by 1 asc limit 1;
-- psql \d
SELECT n.nspname as "Schema",
  c.relname as "Name",
  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 't' THEN 'TOAST table' WHEN 'f' THEN 'foreign table' WHEN 'p' THEN 'partitioned table' WHEN 'I' THEN 'partitioned index' END as "Type",
  pg_catalog.pg_get_userbyid(c.relowner) as "Owner"
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
WHERE c.relkind IN ('r','p','v','m','S','f','')
      AND n.nspname <> 'pg_catalog'
      AND n.nspname !~ '^pg_toast'
      AND n.nspname <> 'information_schema'
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 1,2;
SELECT c.oid,
  n.nspname,
  c.relname
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname OPERATOR(pg_catalog.~) '^(users)$' COLLATE pg_catalog.default
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 2, 3;
SELECT c.relchecks, c.relkind, c.relhasindex, c.relhasrules, c.relhastriggers, c.relrowsecurity, c.relforcerowsecurity, false AS relhasoids, c.relispartition, pg_catalog.array_to_string(c.reloptions || array(select 'toast.' || x from pg_catalog.unnest(tc.reloptions) x), ', ')
, c.reltablespace, CASE WHEN c.reloftype = 0 THEN '' ELSE c.reloftype::pg_catalog.regtype::pg_catalog.text END, c.relpersistence, c.relreplident, am.amname
FROM pg_catalog.pg_class c
 LEFT JOIN pg_catalog.pg_class tc ON (c.reltoastrelid = tc.oid)
LEFT JOIN pg_catalog.pg_am am ON (c.relam = am.oid)
WHERE c.oid = '16386';
SELECT a.attname,
  pg_catalog.format_type(a.atttypid, a.atttypmod),
  (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true)
   FROM pg_catalog.pg_attrdef d
   WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
  a.attnotnull,
  (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t
   WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation,
  a.attidentity,
  a.attgenerated
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = '16386' AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;
SELECT c2.relname, i.indisprimary, i.indisunique, i.indisclustered, i.indisvalid, pg_catalog.pg_get_indexdef(i.indexrelid, 0, true),
  pg_catalog.pg_get_constraintdef(con.oid, true), contype, condeferrable, condeferred, i.indisreplident, c2.reltablespace
FROM pg_catalog.pg_class c, pg_catalog.pg_class c2, pg_catalog.pg_index i
  LEFT JOIN pg_catalog.pg_constraint con ON (conrelid = i.indrelid AND conindid = i.indexrelid AND contype IN ('p','u','x'))
WHERE c.oid = '16386' AND c.oid = i.indrelid AND i.indexrelid = c2.oid
ORDER BY i.indisprimary DESC, c2.relname;
SELECT pol.polname, pol.polpermissive,
  CASE WHEN pol.polroles = '{0}' THEN NULL ELSE pg_catalog.array_to_string(array(select rolname from pg_catalog.pg_roles where oid = any (pol.polroles) order by 1),',') END,
  pg_catalog.pg_get_expr(pol.polqual, pol.polrelid),
  CASE pol.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' END AS cmd
FROM pg_catalog.pg_policy pol
WHERE pol.polrelid = '16386' ORDER BY 1;
SELECT oid, stxrelid::pg_catalog.regclass, stxnamespace::pg_catalog.regnamespace::pg_catalog.text AS nsp, stxname,
pg_catalog.pg_get_statisticsobjdef_columns(oid) AS columns,
  'd' = any(stxkind) AS ndist_enabled,
stxstattarget
FROM pg_catalog.pg_statistic_ext
WHERE stxrelid = '16386'
ORDER BY nsp, stxname;
SELECT c.oid::pg_catalog.regclass, c.relkind, inhdetachpending, pg_catalog.pg_get_expr(c.relpartbound, c.oid)
FROM pg_catalog.pg_class c, pg_catalog.pg_inherits i
WHERE c.oid = i.inhrelid AND i.inhparent = '16386'
ORDER BY pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT', c.oid::pg_catalog.regclass::pg_catalog.text;
SELECT d.datname as "Name", pg_catalog.pg_get_userbyid(d.datdba) as "Owner", pg_catalog.array_to_string(d.datacl, E'\n') AS "Access privileges" FROM pg_catalog.pg_database d ORDER BY 1;
SELECT r.rolname, r.rolsuper, ARRAY(SELECT b.rolname FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles b ON (m.roleid = b.oid) WHERE m.member = r.oid) as memberof FROM pg_catalog.pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY 1;
SELECT pubname
     , NULL
     , NULL
FROM pg_catalog.pg_publication p
JOIN pg_catalog.pg_publication_rel pr ON p.oid = pr.prpubid
WHERE pr.prrelid = '16386'
UNION
SELECT pubname, NULL, NULL FROM pg_catalog.pg_publication p WHERE p.puballtables AND pg_catalog.pg_relation_is_publishable('16386')
ORDER BY 1;
SELECT pg_catalog.quote_ident(c.relname) FROM pg_catalog.pg_class c WHERE (c.relkind = ANY (ARRAY['r','p'])) AND substring(pg_catalog.quote_ident(c.relname),1,2)='us' AND pg_catalog.pg_table_is_visible(c.oid) LIMIT 1000;
-- SQLAlchemy
SELECT users.id AS users_id, users.name AS users_name FROM users WHERE users.id = 42;
SELECT users.id, users.name FROM users WHERE users.id IN (1, 2, 3) ORDER BY users.name DESC NULLS LAST LIMIT 10 OFFSET 20;
SELECT count(*) AS count_1 FROM (SELECT users.id AS users_id FROM users WHERE users.active IS true) AS anon_1;
INSERT INTO users (name, email) VALUES ($1::VARCHAR, $2::VARCHAR) RETURNING users.id;
SELECT anon_1.id FROM (SELECT orders.id AS id, row_number() OVER (PARTITION BY orders.user_id ORDER BY orders.created_at DESC) AS rn FROM orders) AS anon_1 WHERE anon_1.rn = 1;
SELECT EXISTS (SELECT 1 FROM users WHERE users.email = 'a@b.c') AS anon_1;
INSERT INTO kv (k, v) VALUES ('a', '1'), ('b', '2') ON CONFLICT (k) DO UPDATE SET v = excluded.v WHERE kv.v <> excluded.v RETURNING k, (xmax = 0) AS inserted;
SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace WHERE pg_catalog.pg_class.relkind = ANY (ARRAY['r', 'p', 'f']) AND pg_catalog.pg_class.relpersistence != 't';
-- Django
SELECT "auth_user"."id", "auth_user"."password", "auth_user"."last_login" FROM "auth_user" WHERE "auth_user"."username" = 'admin' LIMIT 21;
UPDATE "auth_user" SET "last_login" = '2024-01-01T00:00:00+00:00'::timestamptz WHERE "auth_user"."id" = 1;
SELECT (1) AS "a" FROM "django_session" WHERE "django_session"."session_key" = 'x' LIMIT 1;
SELECT "app_order"."id" FROM "app_order" INNER JOIN "app_user" ON ("app_order"."user_id" = "app_user"."id") WHERE ("app_user"."name"::text LIKE '%x%' AND UPPER("app_order"."note"::text) = UPPER('y')) ORDER BY "app_order"."id" ASC FOR UPDATE OF "app_order" SKIP LOCKED;
SELECT DATE_TRUNC('day', "t"."created" AT TIME ZONE 'UTC') AS "d", COUNT("t"."id") FILTER (WHERE "t"."ok") AS "c" FROM "t" GROUP BY DATE_TRUNC('day', "t"."created" AT TIME ZONE 'UTC') ORDER BY 1;
SELECT EXTRACT('year' FROM "t"."created") AS "y", EXTRACT(month FROM created) FROM "t" WHERE "t"."created" BETWEEN '2024-01-01'::date AND '2024-12-31'::date;
-- Rails
SELECT "users".* FROM "users" WHERE "users"."deleted_at" IS NULL AND "users"."id" = $1 ORDER BY "users"."id" ASC LIMIT $2;
SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull, a.atttypid, a.atttypmod, c.collname, col_description(a.attrelid, a.attnum) AS comment, attidentity AS identity, attgenerated as attgenerated FROM pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum LEFT JOIN pg_type t ON a.atttypid = t.oid LEFT JOIN pg_collation c ON a.attcollation = c.oid AND a.attcollation <> t.typcollation WHERE a.attrelid = '"users"'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;
SELECT t.oid, t.typname, t.typelem, t.typdelim, t.typinput, r.rngsubtype, t.typtype, t.typbasetype FROM pg_type as t LEFT JOIN pg_range as r ON oid = rngtypid WHERE t.typname IN ('int2', 'int4') OR t.typtype IN ('r', 'e', 'd') OR t.typinput = 'array_in(cstring,oid,integer)'::regprocedure;
SELECT 1 AS one FROM "users" WHERE LOWER("users"."email") = LOWER('a') AND "users"."id" != 3 LIMIT 1;
DELETE FROM "sessions" WHERE "sessions"."id" IN (SELECT "sessions"."id" FROM "sessions" WHERE "sessions"."updated_at" < '2024-01-01' LIMIT 1000);
-- language
SELECT FROM t;
TABLE users;
(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1;
VALUES (1, 'a'), (2, 'b');
SELECT * FROM ONLY t;
SELECT * FROM ONLY (t) x WHERE x.a ISNULL;
SELECT * FROM t WHERE a BETWEEN SYMMETRIC 2 AND 1 AND b NOTNULL;
SELECT * FROM t FOR NO KEY UPDATE;
SELECT * FROM t FOR KEY SHARE OF t NOWAIT;
SELECT 'a'
  'b';
SELECT U&'d\0061t';
SELECT a FROM t WHERE a<>-1 AND b>=-1 AND c = -1;
SELECT citext 'x', date '2020-01-01', timestamp with time zone '2020-01-01', interval '1' day, interval '1 day', double precision '1.5', pg_catalog.int4 '5';
INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (1);
INSERT INTO t (a) OVERRIDING USER VALUE SELECT 1;
INSERT INTO t DEFAULT VALUES;
INSERT INTO t AS x (a, b) VALUES (DEFAULT, 2) ON CONFLICT (lower(a)) WHERE b > 0 DO NOTHING;
INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT t_pkey DO UPDATE SET (a, b) = (1, 2);
INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING;
UPDATE t SET (a, b) = (SELECT 1, 2) FROM u WHERE t.id = u.id RETURNING t.*;
UPDATE ONLY t AS x SET a = DEFAULT WHERE CURRENT OF c;
DELETE FROM ONLY t USING u, v WHERE t.id = u.id;
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 10) SELECT * FROM r;
WITH moved AS (DELETE FROM a WHERE id = 1 RETURNING *) INSERT INTO b SELECT * FROM moved;
WITH x AS MATERIALIZED (SELECT 1), y AS NOT MATERIALIZED (SELECT 2) SELECT * FROM x, y;
SELECT sum(a) OVER w, rank() OVER (ORDER BY b), sum(x) OVER (ORDER BY y ROWS BETWEEN 2 PRECEDING AND CURRENT ROW EXCLUDE TIES), max(z) OVER (w ROWS UNBOUNDED PRECEDING) FROM t WINDOW w AS (PARTITION BY c);
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x), string_agg(DISTINCT a, ',' ORDER BY a) FROM t;
SELECT a, count(*) FROM t GROUP BY ROLLUP (a, b);
SELECT a, b FROM t GROUP BY GROUPING SETS ((a), (b), ());
SELECT DISTINCT ON (a) a, b FROM t ORDER BY a, b DESC NULLS LAST;
SELECT * FROM a NATURAL JOIN b LEFT JOIN c USING (id) RIGHT JOIN d ON d.x = a.x FULL OUTER JOIN e ON true;
SELECT * FROM (a JOIN b ON a.x = b.x) CROSS JOIN c, LATERAL (SELECT * FROM d WHERE d.x = a.x) z;
SELECT * FROM generate_series(1, 10) WITH ORDINALITY AS g(n, o), unnest(ARRAY[1,2]) u, jsonb_to_recordset('[]') AS x(a int, b text);
SELECT concat_ws(',', VARIADIC ARRAY['a']), f(a => 1, b := 2);
SELECT substring(a FROM 1 FOR 2), substring(a, 1), trim(both ' ' from a), trim(a), position('a' in b), overlay(a placing 'x' from 1 for 2);
SELECT a->'b'->>'c', a #>> '{x,y}', a @> '{}'::jsonb, a ? 'k', a || 'x', a ~ 'b' || 'c', a !~* 'x', a::int4[], (a).b, a[1][2], a[1:2], ('{1,2}'::int[])[1] FROM t;
SELECT * FROM t WHERE (a, b) IN ((1, 2), (3, 4)) AND (a, b) = (1, 2) AND a = ANY($1) AND b <> ALL (ARRAY[1,2]) AND c = SOME (SELECT 1);
SELECT * FROM t WHERE a LIKE 'x%' ESCAPE '!' OR a NOT ILIKE 'y' OR a SIMILAR TO 'z' OR NOT EXISTS (SELECT 1) OR a IS DISTINCT FROM b OR a IS NOT UNKNOWN;
SELECT * FROM t ORDER BY a LIMIT ALL;
SELECT * FROM t ORDER BY a OFFSET 5 ROWS FETCH NEXT 10 ROWS ONLY;
SELECT * FROM t ORDER BY a FETCH FIRST 10 ROWS WITH TIES;
SELECT current_date, current_user, localtimestamp, current_timestamp(3), user, now();
SELECT CAST(a AS numeric(10, 2)), a::character varying(3), a::timestamp(3) with time zone, a::"char" FROM t;
SELECT first, last, rows, range, key, value, name, type, time, date, timestamp, year, user_id, filter, partition, over, position, text, zone, at, level, nothing, share, temp, system, next, matched FROM t;
SELECT t.select, t.user, t."order" FROM t AS "select";
SELECT left(a, 1), right(a, 2), coalesce(a, b), nullif(a, b), greatest(1, 2), ceil(a), floor(b), replace(a, 'x', 'y'), log(a), any_value(a), row_to_json(t), ROW(1, 2), (1, 2) FROM t;
SELECT a INTO TEMP x FROM t;
SELECT CASE WHEN a = 1 THEN 'x' ELSE NULL END, CASE a WHEN 1 THEN 2 END FROM t TABLESAMPLE bernoulli (10) REPEATABLE (1);
SELECT * FROM t minus, u qualify, v top, w sample WHERE minus.a = 1;

-- Every sort of type: sorted, grouped, compared, aggregated, shown.
!SELECT id, small FROM kinds ORDER BY small DESC NULLS LAST, id DESC LIMIT 7
SELECT small, count(*) FROM kinds GROUP BY small
SELECT count(DISTINCT small) FROM kinds
SELECT small FROM kinds WHERE id > 3 INTERSECT SELECT small FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.small = b.small AND a.id < b.id
SELECT array_agg(small ORDER BY id) FROM kinds
!SELECT DISTINCT ON (small) small, id FROM kinds ORDER BY small, id
!SELECT id, big FROM kinds ORDER BY big DESC NULLS LAST, id DESC LIMIT 7
SELECT big, count(*) FROM kinds GROUP BY big
SELECT count(DISTINCT big) FROM kinds
SELECT big FROM kinds WHERE id > 3 INTERSECT SELECT big FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.big = b.big AND a.id < b.id
SELECT array_agg(big ORDER BY id) FROM kinds
!SELECT DISTINCT ON (big) big, id FROM kinds ORDER BY big, id
!SELECT id, amount FROM kinds ORDER BY amount DESC NULLS LAST, id DESC LIMIT 7
SELECT amount, count(*) FROM kinds GROUP BY amount
SELECT count(DISTINCT amount) FROM kinds
SELECT amount FROM kinds WHERE id > 3 INTERSECT SELECT amount FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.amount = b.amount AND a.id < b.id
SELECT array_agg(amount ORDER BY id) FROM kinds
!SELECT DISTINCT ON (amount) amount, id FROM kinds ORDER BY amount, id
!SELECT id, plain FROM kinds ORDER BY plain DESC NULLS LAST, id DESC LIMIT 7
SELECT count(*) FROM kinds GROUP BY plain
SELECT count(DISTINCT plain) FROM kinds
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.plain = b.plain AND a.id < b.id
SELECT array_agg(plain ORDER BY id) FROM kinds
!SELECT DISTINCT ON (plain) plain, id FROM kinds ORDER BY plain, id
!SELECT id, f FROM kinds ORDER BY f DESC NULLS LAST, id DESC LIMIT 7
SELECT count(*) FROM kinds GROUP BY f
SELECT count(DISTINCT f) FROM kinds
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.f = b.f AND a.id < b.id
SELECT array_agg(f ORDER BY id) FROM kinds
!SELECT DISTINCT ON (f) f, id FROM kinds ORDER BY f, id
!SELECT id, r FROM kinds ORDER BY r DESC NULLS LAST, id DESC LIMIT 7
SELECT count(*) FROM kinds GROUP BY r
SELECT count(DISTINCT r) FROM kinds
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.r = b.r AND a.id < b.id
SELECT array_agg(r ORDER BY id) FROM kinds
!SELECT DISTINCT ON (r) r, id FROM kinds ORDER BY r, id
!SELECT id, span FROM kinds ORDER BY span DESC NULLS LAST, id DESC LIMIT 7
SELECT count(*) FROM kinds GROUP BY span
SELECT count(DISTINCT span) FROM kinds
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.span = b.span AND a.id < b.id
SELECT array_agg(span ORDER BY id) FROM kinds
!SELECT DISTINCT ON (span) span, id FROM kinds ORDER BY span, id
!SELECT id, padded FROM kinds ORDER BY padded DESC NULLS LAST, id DESC LIMIT 7
SELECT padded, count(*) FROM kinds GROUP BY padded
SELECT count(DISTINCT padded) FROM kinds
SELECT padded FROM kinds WHERE id > 3 INTERSECT SELECT padded FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.padded = b.padded AND a.id < b.id
SELECT array_agg(padded ORDER BY id) FROM kinds
!SELECT DISTINCT ON (padded) padded, id FROM kinds ORDER BY padded, id
!SELECT id, short FROM kinds ORDER BY short DESC NULLS LAST, id DESC LIMIT 7
SELECT short, count(*) FROM kinds GROUP BY short
SELECT count(DISTINCT short) FROM kinds
SELECT short FROM kinds WHERE id > 3 INTERSECT SELECT short FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.short = b.short AND a.id < b.id
SELECT array_agg(short ORDER BY id) FROM kinds
!SELECT DISTINCT ON (short) short, id FROM kinds ORDER BY short, id
!SELECT id, stamp FROM kinds ORDER BY stamp DESC NULLS LAST, id DESC LIMIT 7
SELECT stamp, count(*) FROM kinds GROUP BY stamp
SELECT count(DISTINCT stamp) FROM kinds
SELECT stamp FROM kinds WHERE id > 3 INTERSECT SELECT stamp FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.stamp = b.stamp AND a.id < b.id
SELECT array_agg(stamp ORDER BY id) FROM kinds
!SELECT DISTINCT ON (stamp) stamp, id FROM kinds ORDER BY stamp, id
SELECT moment, count(*) FROM kinds GROUP BY moment
SELECT count(DISTINCT moment) FROM kinds
SELECT moment FROM kinds WHERE id > 3 INTERSECT SELECT moment FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.moment = b.moment AND a.id < b.id
SELECT array_agg(moment ORDER BY id) FROM kinds
!SELECT id, clock FROM kinds ORDER BY clock DESC NULLS LAST, id DESC LIMIT 7
SELECT clock, count(*) FROM kinds GROUP BY clock
SELECT count(DISTINCT clock) FROM kinds
SELECT clock FROM kinds WHERE id > 3 INTERSECT SELECT clock FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.clock = b.clock AND a.id < b.id
SELECT array_agg(clock ORDER BY id) FROM kinds
!SELECT DISTINCT ON (clock) clock, id FROM kinds ORDER BY clock, id
!SELECT id, zoned FROM kinds ORDER BY zoned DESC NULLS LAST, id DESC LIMIT 7
SELECT count(*) FROM kinds GROUP BY zoned
SELECT count(DISTINCT zoned) FROM kinds
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.zoned = b.zoned AND a.id < b.id
SELECT array_agg(zoned ORDER BY id) FROM kinds
!SELECT DISTINCT ON (zoned) zoned, id FROM kinds ORDER BY zoned, id
!SELECT id, day FROM kinds ORDER BY day DESC NULLS LAST, id DESC LIMIT 7
SELECT day, count(*) FROM kinds GROUP BY day
SELECT count(DISTINCT day) FROM kinds
SELECT day FROM kinds WHERE id > 3 INTERSECT SELECT day FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.day = b.day AND a.id < b.id
SELECT array_agg(day ORDER BY id) FROM kinds
!SELECT DISTINCT ON (day) day, id FROM kinds ORDER BY day, id
!SELECT id, data FROM kinds ORDER BY data DESC NULLS LAST, id DESC LIMIT 7
SELECT data, count(*) FROM kinds GROUP BY data
SELECT count(DISTINCT data) FROM kinds
SELECT data FROM kinds WHERE id > 3 INTERSECT SELECT data FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.data = b.data AND a.id < b.id
SELECT array_agg(data ORDER BY id) FROM kinds
!SELECT DISTINCT ON (data) data, id FROM kinds ORDER BY data, id
!SELECT id, list FROM kinds ORDER BY list DESC NULLS LAST, id DESC LIMIT 7
SELECT list, count(*) FROM kinds GROUP BY list
SELECT count(DISTINCT list) FROM kinds
SELECT list FROM kinds WHERE id > 3 INTERSECT SELECT list FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.list = b.list AND a.id < b.id
SELECT array_agg(list ORDER BY id) FROM kinds
!SELECT DISTINCT ON (list) list, id FROM kinds ORDER BY list, id
!SELECT id, words FROM kinds ORDER BY words DESC NULLS LAST, id DESC LIMIT 7
SELECT words, count(*) FROM kinds GROUP BY words
SELECT count(DISTINCT words) FROM kinds
SELECT words FROM kinds WHERE id > 3 INTERSECT SELECT words FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.words = b.words AND a.id < b.id
SELECT array_agg(words ORDER BY id) FROM kinds
!SELECT DISTINCT ON (words) words, id FROM kinds ORDER BY words, id
!SELECT id, period FROM kinds ORDER BY period DESC NULLS LAST, id DESC LIMIT 7
SELECT period, count(*) FROM kinds GROUP BY period
SELECT count(DISTINCT period) FROM kinds
SELECT period FROM kinds WHERE id > 3 INTERSECT SELECT period FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.period = b.period AND a.id < b.id
SELECT array_agg(period ORDER BY id) FROM kinds
!SELECT DISTINCT ON (period) period, id FROM kinds ORDER BY period, id
SELECT many, count(*) FROM kinds GROUP BY many
SELECT count(DISTINCT many) FROM kinds
SELECT many FROM kinds WHERE id > 3 INTERSECT SELECT many FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.many = b.many AND a.id < b.id
SELECT array_agg(many ORDER BY id) FROM kinds
!SELECT id, net FROM kinds ORDER BY net DESC NULLS LAST, id DESC LIMIT 7
SELECT net, count(*) FROM kinds GROUP BY net
SELECT count(DISTINCT net) FROM kinds
SELECT net FROM kinds WHERE id > 3 INTERSECT SELECT net FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.net = b.net AND a.id < b.id
SELECT array_agg(net ORDER BY id) FROM kinds
!SELECT DISTINCT ON (net) net, id FROM kinds ORDER BY net, id
!SELECT id, flags FROM kinds ORDER BY flags DESC NULLS LAST, id DESC LIMIT 7
SELECT flags, count(*) FROM kinds GROUP BY flags
SELECT count(DISTINCT flags) FROM kinds
SELECT flags FROM kinds WHERE id > 3 INTERSECT SELECT flags FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.flags = b.flags AND a.id < b.id
SELECT array_agg(flags ORDER BY id) FROM kinds
!SELECT DISTINCT ON (flags) flags, id FROM kinds ORDER BY flags, id
!SELECT id, cash FROM kinds ORDER BY cash DESC NULLS LAST, id DESC LIMIT 7
SELECT cash, count(*) FROM kinds GROUP BY cash
SELECT count(DISTINCT cash) FROM kinds
SELECT cash FROM kinds WHERE id > 3 INTERSECT SELECT cash FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.cash = b.cash AND a.id < b.id
SELECT array_agg(cash ORDER BY id) FROM kinds
!SELECT DISTINCT ON (cash) cash, id FROM kinds ORDER BY cash, id
!SELECT id, letter FROM kinds ORDER BY letter DESC NULLS LAST, id DESC LIMIT 7
SELECT letter, count(*) FROM kinds GROUP BY letter
SELECT count(DISTINCT letter) FROM kinds
SELECT letter FROM kinds WHERE id > 3 INTERSECT SELECT letter FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.letter = b.letter AND a.id < b.id
SELECT array_agg(letter ORDER BY id) FROM kinds
!SELECT DISTINCT ON (letter) letter, id FROM kinds ORDER BY letter, id
!SELECT id, label FROM kinds ORDER BY label DESC NULLS LAST, id DESC LIMIT 7
SELECT label, count(*) FROM kinds GROUP BY label
SELECT count(DISTINCT label) FROM kinds
SELECT label FROM kinds WHERE id > 3 INTERSECT SELECT label FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.label = b.label AND a.id < b.id
SELECT array_agg(label ORDER BY id) FROM kinds
!SELECT DISTINCT ON (label) label, id FROM kinds ORDER BY label, id
SELECT made, count(*) FROM kinds GROUP BY made
SELECT count(DISTINCT made) FROM kinds
SELECT made FROM kinds WHERE id > 3 INTERSECT SELECT made FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.made = b.made AND a.id < b.id
SELECT array_agg(made ORDER BY id) FROM kinds
SELECT count(DISTINCT m) FROM kinds
SELECT array_agg(m ORDER BY id) FROM kinds
SELECT json_agg(m ORDER BY id) FROM kinds
!SELECT id, bin FROM kinds ORDER BY bin DESC NULLS LAST, id DESC LIMIT 7
SELECT bin, count(*) FROM kinds GROUP BY bin
SELECT count(DISTINCT bin) FROM kinds
SELECT bin FROM kinds WHERE id > 3 INTERSECT SELECT bin FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.bin = b.bin AND a.id < b.id
SELECT array_agg(bin ORDER BY id) FROM kinds
!SELECT DISTINCT ON (bin) bin, id FROM kinds ORDER BY bin, id
!SELECT id, yes FROM kinds ORDER BY yes DESC NULLS LAST, id DESC LIMIT 7
SELECT yes, count(*) FROM kinds GROUP BY yes
SELECT count(DISTINCT yes) FROM kinds
SELECT yes FROM kinds WHERE id > 3 INTERSECT SELECT yes FROM kinds WHERE id < 9
SELECT a.id, b.id FROM kinds a JOIN kinds b ON a.yes = b.yes AND a.id < b.id
SELECT array_agg(yes ORDER BY id) FROM kinds
!SELECT DISTINCT ON (yes) yes, id FROM kinds ORDER BY yes, id
SELECT sum(small) FROM kinds WHERE big IS DISTINCT FROM 9223372036854775807
SELECT yes, sum(small) FROM kinds GROUP BY yes
SELECT sum(DISTINCT small) FROM kinds WHERE id > 0
SELECT avg(small) FROM kinds
SELECT yes, avg(small) FILTER (WHERE id > 0) FROM kinds GROUP BY yes
SELECT sum(big) FROM kinds WHERE big IS DISTINCT FROM 9223372036854775807
SELECT yes, sum(big) FROM kinds GROUP BY yes
SELECT sum(DISTINCT big) FROM kinds WHERE id > 0
SELECT avg(big) FROM kinds
SELECT yes, avg(big) FILTER (WHERE id > 0) FROM kinds GROUP BY yes
SELECT sum(amount) FROM kinds WHERE big IS DISTINCT FROM 9223372036854775807
SELECT yes, sum(amount) FROM kinds GROUP BY yes
SELECT sum(DISTINCT amount) FROM kinds WHERE id > 0
SELECT avg(amount) FROM kinds
SELECT yes, avg(amount) FILTER (WHERE id > 0) FROM kinds GROUP BY yes
SELECT sum(plain) FROM kinds WHERE big IS DISTINCT FROM 9223372036854775807
SELECT yes, sum(plain) FROM kinds GROUP BY yes
SELECT 1
SELECT avg(plain) FROM kinds
SELECT yes, avg(plain) FILTER (WHERE id > 0) FROM kinds GROUP BY yes
SELECT sum(span) FROM kinds WHERE big IS DISTINCT FROM 9223372036854775807
SELECT yes, sum(span) FROM kinds GROUP BY yes
SELECT avg(span) FROM kinds
SELECT yes, avg(span) FILTER (WHERE id > 0) FROM kinds GROUP BY yes
SELECT sum(cash) FROM kinds WHERE big IS DISTINCT FROM 9223372036854775807
SELECT yes, sum(cash) FROM kinds GROUP BY yes
SELECT sum(DISTINCT cash) FROM kinds WHERE id > 0
SELECT sum(f) FROM kinds WHERE f IN (1.5, 2)
SELECT avg(r) FROM kinds WHERE r IN (1.5,2)
SELECT stddev(small), var_pop(small), stddev_pop(amount), variance(amount) FROM kinds
SELECT corr(small, id), covar_pop(small, id), regr_count(small, id) FROM kinds WHERE id BETWEEN 1 AND 3
SELECT yes, percentile_cont(0.5) WITHIN GROUP (ORDER BY id) FROM kinds GROUP BY yes
SELECT rank(2) WITHIN GROUP (ORDER BY small), dense_rank(2) WITHIN GROUP (ORDER BY small), percent_rank(2) WITHIN GROUP (ORDER BY small), cume_dist(2) WITHIN GROUP (ORDER BY small) FROM kinds
SELECT string_agg(short, '-' ORDER BY id DESC), string_agg(DISTINCT short, ',' ORDER BY short) FROM kinds
SELECT array_agg(DISTINCT small ORDER BY small DESC NULLS LAST) FROM kinds
SELECT json_object_agg(id, small ORDER BY id) FROM kinds
SELECT jsonb_object_agg(id, data) FROM kinds WHERE data IS NOT NULL
SELECT range_agg(period), range_intersect_agg(period) FROM kinds WHERE NOT isempty(period)
SELECT bit_and(flags), bit_or(flags), bit_xor(flags) FROM kinds
SELECT bool_and(yes), bool_or(yes), every(id > -10) FROM kinds
SELECT count(*) FROM kinds GROUP BY GROUPING SETS ((), ())
SELECT count(*) FROM kinds WHERE f = 'NaN'
SELECT id FROM kinds WHERE plain = 'NaN'
SELECT id FROM kinds WHERE padded = 'ab'
SELECT id FROM kinds WHERE padded = 'ab   '
SELECT id FROM kinds WHERE padded LIKE 'ab%'
SELECT length(padded), octet_length(padded), padded || '|' FROM kinds
SELECT id FROM kinds WHERE period @> 3
SELECT id FROM kinds WHERE list && ARRAY[1]
SELECT id FROM kinds WHERE data @> '{"a":1}'
SELECT id FROM kinds WHERE data ? 'a'
SELECT data->>'a', count(*) FROM kinds GROUP BY 1
SELECT extract(epoch FROM span), count(*) FROM kinds GROUP BY 1
SELECT date_trunc('day', stamp), count(*) FROM kinds GROUP BY 1
SELECT stamp::date, count(*) FROM kinds GROUP BY 1
SELECT stamp AT TIME ZONE 'America/New_York' FROM kinds
SELECT to_char(stamp, 'YYYY-MM-DD HH24:MI TZ') FROM kinds WHERE isfinite(stamp)
SELECT id FROM kinds WHERE stamp < '2024-02-01'
SELECT id FROM kinds WHERE day < 'infinity'
SELECT place[0], count(*) FROM kinds GROUP BY 1
SELECT k.*, c.* FROM kinds k LEFT JOIN child c ON c.kind_id = k.id
SELECT k.id, c.kind_id FROM kinds k FULL JOIN child c ON c.kind_id = k.id AND c.n = 1
SELECT k.id, c.kind_id FROM kinds k FULL JOIN child c ON c.kind_id = k.id WHERE k.small = 1 OR c.t = 'a'
SELECT k.id, l.n FROM kinds k CROSS JOIN LATERAL (SELECT c.n FROM child c WHERE c.kind_id = k.id ORDER BY c.v DESC NULLS LAST, c.n LIMIT 1) l
SELECT k.id, l.s FROM kinds k LEFT JOIN LATERAL (SELECT sum(v) s FROM child c WHERE c.kind_id = k.small) l ON true
SELECT k.id, g FROM kinds k, generate_series(1, k.small) g
SELECT k.id, u FROM kinds k, unnest(k.list) WITH ORDINALITY AS u
SELECT k.id, unnest(k.words), unnest(k.list) FROM kinds k
SELECT k.id, j.key, j.value FROM kinds k, jsonb_each(k.data) j WHERE jsonb_typeof(k.data) = 'object'
SELECT x.a FROM kinds k, jsonb_to_record(k.data) AS x(a int) WHERE jsonb_typeof(k.data) = 'object'
SELECT id FROM kinds WHERE id IN (VALUES (1), (2), (3))
SELECT id FROM kinds WHERE (id, small) IN (SELECT kind_id, n FROM child)
SELECT id FROM kinds WHERE (id, small) = (SELECT 4, 1)
SELECT id FROM kinds WHERE ROW(id, small) < ROW(5, 2)
SELECT id FROM kinds WHERE id = ANY (SELECT kind_id FROM child WHERE v > 2)
SELECT id FROM kinds WHERE small > ALL (SELECT n FROM child WHERE kind_id = 4)
SELECT id FROM kinds WHERE id > SOME (SELECT kind_id FROM child)
SELECT id FROM kinds WHERE id = ANY ('{1,2,3}')
SELECT id FROM kinds WHERE id = ALL (ARRAY[3])
SELECT id FROM kinds WHERE id <> ALL (ARRAY[3,4])
SELECT id FROM kinds WHERE id = 3 OR id IS NULL
SELECT id FROM kinds WHERE (id = 3) IS TRUE
SELECT id FROM kinds WHERE (id = 3) = true
SELECT id FROM kinds WHERE NOT (id <> 3)
SELECT id FROM kinds WHERE id = 3 AND id = 4
SELECT id FROM kinds WHERE id = 3.0
SELECT id FROM kinds WHERE id = 3.5
SELECT id FROM kinds WHERE id = 3e0
SELECT id FROM kinds WHERE id = '3'
SELECT id FROM kinds WHERE id = ' 3 '
SELECT id FROM kinds WHERE id = 3::numeric
SELECT id FROM kinds WHERE id = 3::float8
SELECT id FROM kinds WHERE id = 3::smallint
SELECT id FROM kinds WHERE id = 0x3
SELECT id FROM kinds WHERE id = 4294967296
SELECT id FROM kinds WHERE id = 99999999999999999999
SELECT id FROM kinds WHERE id = CAST('3' AS int)
SELECT id FROM kinds WHERE id = int '3'
SELECT id FROM kinds WHERE id::int = 3 AND id < 100
SELECT id FROM kinds WHERE id + 0 = 3
SELECT id FROM kinds WHERE 3 = id
SELECT id FROM kinds WHERE id BETWEEN SYMMETRIC 5 AND 3
SELECT id FROM kinds WHERE id NOT BETWEEN 0 AND 29
SELECT id FROM kinds WHERE id IS NOT DISTINCT FROM 3
SELECT id FROM kinds WHERE id IN (3, NULL)
SELECT id FROM kinds WHERE id NOT IN (3, NULL)
SELECT id FROM kinds WHERE id = (SELECT 3)
SELECT id FROM kinds WHERE id = length('abc')
SELECT id FROM kinds WHERE id = CASE WHEN true THEN 3 END
SELECT id FROM kinds WHERE id = coalesce(NULL, 3)
SELECT id FROM kinds WHERE id = -(-3)
SELECT id FROM kinds WHERE id = 7 / 2
SELECT id FROM kinds WHERE id = 7 % 4
SELECT id FROM kinds WHERE id = 1 + 1 + 1
SELECT id FROM kinds WHERE id = 2 ^ 1 + 1
SELECT id FROM kinds WHERE id = @ -3
SELECT id FROM kinds WHERE id = 3 COLLATE "C"
SELECT public.kinds.id FROM public.kinds WHERE public.kinds.id = 3
WITH RECURSIVE t(id, lvl) AS (SELECT id, 0 FROM kinds WHERE id = 1 UNION ALL SELECT k.id, lvl + 1 FROM kinds k JOIN t ON k.id = t.id + 1 WHERE lvl < 5) SELECT * FROM t
WITH RECURSIVE t(n) AS (VALUES (1) UNION SELECT n * 2 FROM t WHERE n < 20) SELECT n, k.id FROM t LEFT JOIN kinds k ON k.id = t.n
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < (SELECT count(*) FROM child WHERE kind_id < 3)) SELECT max(n) FROM t
WITH a AS MATERIALIZED (SELECT * FROM kinds WHERE id < 10) SELECT count(*) FROM a x, a y WHERE x.id < y.id
WITH a AS (SELECT id FROM kinds WHERE id = 3) SELECT c.* FROM child c WHERE c.kind_id IN (SELECT id FROM a)
WITH a AS (SELECT 3 AS id) SELECT k.id FROM kinds k JOIN a USING (id)
WITH kinds AS (SELECT 1 AS id) SELECT * FROM kinds
WITH x AS (SELECT id FROM kinds), y AS (SELECT id FROM x WHERE id > 10) SELECT (SELECT count(*) FROM x), (SELECT count(*) FROM y)
SELECT id FROM kinds WHERE id < 5 UNION ALL SELECT kind_id FROM child WHERE kind_id < 5
(SELECT id FROM kinds ORDER BY id LIMIT 3) UNION ALL (SELECT kind_id FROM child ORDER BY kind_id, n LIMIT 3)
SELECT id FROM kinds WHERE id = 3 UNION SELECT kind_id FROM child WHERE kind_id = 3
SELECT id FROM kinds WHERE id = 3 UNION ALL SELECT id FROM kinds WHERE id = 4
SELECT small FROM kinds INTERSECT ALL SELECT n FROM child
SELECT n FROM child EXCEPT ALL SELECT small FROM kinds
SELECT 1 UNION SELECT 1.5 UNION SELECT small FROM kinds
SELECT NULL UNION SELECT id FROM kinds WHERE id < 3
SELECT '1' UNION SELECT short FROM kinds
VALUES (1), (2) EXCEPT SELECT small FROM kinds
SELECT x FROM (SELECT id AS x FROM kinds UNION SELECT kind_id FROM child) u WHERE x > 10
SELECT count(*) FROM (SELECT id FROM kinds EXCEPT SELECT kind_id FROM child) u
SELECT id, sum(small) OVER w, count(*) OVER (w ROWS 1 PRECEDING) FROM kinds WINDOW w AS (ORDER BY id)
SELECT id, sum(small) OVER (ORDER BY id RANGE BETWEEN 2 PRECEDING AND 1 FOLLOWING) FROM kinds
SELECT id, count(*) OVER (ORDER BY small GROUPS BETWEEN CURRENT ROW AND 1 FOLLOWING EXCLUDE TIES) FROM kinds
SELECT id, ntile(3) OVER (ORDER BY id), lag(id, 2, -1) OVER (ORDER BY id), nth_value(id, 3) OVER (ORDER BY id) FROM kinds
SELECT kind_id, n, row_number() OVER (PARTITION BY kind_id ORDER BY n DESC), sum(v) OVER (PARTITION BY t ORDER BY kind_id, n) FROM child
SELECT kind_id, sum(sum(v)) OVER (ORDER BY kind_id) FROM child GROUP BY kind_id
SELECT t, count(*), sum(count(*)) OVER () FROM child GROUP BY t
SELECT count(*) FILTER (WHERE v > 1) OVER (PARTITION BY t), kind_id, n FROM child
SELECT k.id, count(*) FROM kinds k JOIN child c ON c.kind_id = k.id GROUP BY k.id HAVING count(*) > 1
SELECT k.short, count(*), sum(c.v) FROM kinds k JOIN child c ON c.kind_id = k.id GROUP BY k.short
SELECT c.t, count(DISTINCT c.kind_id), count(DISTINCT k.small), sum(c.v) FROM child c JOIN kinds k ON k.id = c.kind_id GROUP BY c.t
SELECT count(*) FROM kinds k WHERE small = (SELECT max(n) FROM child c WHERE c.kind_id = k.id)
SELECT id FROM kinds k WHERE (SELECT count(*) FROM child c WHERE c.kind_id = k.id) = (SELECT max(x) FROM (SELECT count(*) x FROM child GROUP BY kind_id) q)
SELECT sum(CASE WHEN yes THEN 1 ELSE 0 END)::float8 / count(*) FROM kinds
SELECT count(*) - count(small), count(*)::text || ' rows' FROM kinds
SELECT max(id) FILTER (WHERE small = 1) FROM kinds
SELECT coalesce(max(small), 0) + 1 FROM kinds WHERE false
SELECT count(*), 'a' AS l FROM kinds WHERE false GROUP BY l
SELECT 1 FROM kinds GROUP BY 1 HAVING false
SELECT sum(1) FROM kinds
SELECT sum(amount * small), avg(amount + 1) FROM kinds
SELECT sum(small::float8) FROM kinds
SELECT sum(id::numeric / 3) FROM kinds WHERE id < 50
SELECT sum(round(amount / 3, 4)) FROM kinds
SELECT round(avg(amount), 2), trunc(avg(plain) FILTER (WHERE plain <> 'NaN'), 3) FROM kinds
SELECT sum(extract(epoch FROM span)) FROM kinds
SELECT nullif(count(*), 3), greatest(count(*), 2), least(max(id), 5) FROM kinds
SELECT exists(SELECT 1 FROM kinds WHERE id > 25) AND count(*) > 3 FROM kinds
SELECT array(SELECT id FROM kinds ORDER BY id DESC LIMIT 3)
SELECT (SELECT count(*) FROM kinds) + (SELECT count(*) FROM child)
SELECT 1 WHERE 5 < (SELECT count(*) FROM kinds)
SELECT current_setting('TimeZone'), count(*) FROM kinds
SELECT count(*) FROM kinds TABLESAMPLE BERNOULLI (100)
SELECT count(*) FROM ONLY kinds
SELECT FROM kinds
SELECT count(*) FROM (SELECT FROM kinds) z
SELECT kinds FROM kinds WHERE id = 3
SELECT k.id, (k).small FROM kinds k WHERE id = 3
SELECT row_to_json(c) FROM child c
SELECT json_build_object('id', id, 'c', (SELECT json_agg(c.n ORDER BY c.n) FROM child c WHERE c.kind_id = k.id)) FROM kinds k
SELECT xmlelement(name x, id) ::text FROM kinds
SELECT 1 / small FROM kinds
SELECT sum(1 / small) FROM kinds
SELECT id FROM kinds WHERE 1 / (id - 3) > 0
SELECT (SELECT id FROM kinds)
SELECT id, count(*) FROM kinds
SELECT max(data) FROM kinds
SELECT sum(short) FROM kinds
SELECT id FROM kinds WHERE count(*) > 1
SELECT id FROM kinds WHERE small = 'x'
SELECT short::int FROM kinds
SELECT sum(big) FROM kinds
SELECT sum(big::int) FROM kinds
SELECT id FROM kinds k JOIN child c ON true WHERE id = n AND kinds.id = 1
SELECT DISTINCT doc FROM kinds
SELECT doc FROM kinds UNION SELECT doc FROM kinds
SELECT place FROM kinds GROUP BY place
SELECT id FROM kinds ORDER BY doc
SELECT place FROM kinds ORDER BY place
!SELECT id FROM kinds ORDER BY small DESC NULLS LAST, id OFFSET 3 LIMIT 3
!SELECT small FROM kinds ORDER BY small FETCH FIRST 3 ROWS WITH TIES
!SELECT DISTINCT small FROM kinds ORDER BY small DESC NULLS FIRST
!SELECT DISTINCT ON (small) small, id FROM kinds ORDER BY small, id DESC
!SELECT * FROM (SELECT DISTINCT ON (small) small, id FROM kinds ORDER BY small, id DESC) q ORDER BY id
!SELECT DISTINCT ON (kind_id) kind_id, n, t FROM child ORDER BY kind_id, n DESC
!SELECT DISTINCT ON (id) id, small FROM kinds ORDER BY id
!SELECT DISTINCT ON (kind_id % 3) kind_id % 3 AS r, kind_id, n FROM child ORDER BY kind_id % 3, kind_id DESC, n
!SELECT short AS id, id AS short FROM kinds ORDER BY id, short
!SELECT id, -id AS x FROM kinds ORDER BY x
!SELECT id AS x FROM kinds ORDER BY -id
!SELECT k.short FROM kinds k ORDER BY k.short COLLATE "C", k.id
!SELECT k.short FROM kinds k ORDER BY k.short COLLATE "en-x-icu", k.id
!SELECT id FROM kinds ORDER BY small + 1, id
!SELECT id FROM kinds ORDER BY (SELECT count(*) FROM child c WHERE c.kind_id = kinds.id) DESC, id
!SELECT id FROM kinds ORDER BY yes, small NULLS FIRST, id DESC
!SELECT kind_id, sum(v) FROM child GROUP BY kind_id ORDER BY 2 NULLS FIRST, 1
!SELECT t, count(*) c FROM child GROUP BY t ORDER BY c DESC, t COLLATE "C"
!SELECT id FROM kinds UNION SELECT kind_id FROM child ORDER BY 1 DESC LIMIT 4
!SELECT id, small FROM kinds UNION ALL SELECT kind_id, n FROM child ORDER BY small NULLS LAST, id, 1 LIMIT 20
!(SELECT id FROM kinds ORDER BY id LIMIT 3) UNION ALL (SELECT kind_id FROM child ORDER BY kind_id DESC, n LIMIT 3) ORDER BY 1
!((SELECT id FROM kinds ORDER BY id LIMIT 5) EXCEPT (SELECT id FROM kinds ORDER BY id LIMIT 2)) ORDER BY id
!(((SELECT id FROM kinds ORDER BY id LIMIT 5))) ORDER BY id DESC LIMIT 2
!SELECT * FROM (SELECT id FROM kinds ORDER BY id DESC LIMIT 5) q ORDER BY id
!SELECT id FROM kinds WHERE id IN (SELECT id FROM kinds ORDER BY amount NULLS LAST, id LIMIT 4) ORDER BY id
!SELECT id FROM kinds ORDER BY id OFFSET (SELECT count(*) - 2 FROM kinds)
!SELECT id FROM kinds ORDER BY id LIMIT (SELECT 3)
!SELECT v, x FROM (VALUES (1,'a'),(2,'b')) AS t(v,x) ORDER BY v DESC
!SELECT id, rank() OVER (ORDER BY small) r FROM kinds ORDER BY r, id LIMIT 5
!SELECT id FROM kinds ORDER BY stamp, id
!SELECT id FROM kinds WHERE id >= 5 AND id < 15 ORDER BY id DESC LIMIT 4 OFFSET 2
!SELECT id FROM kinds ORDER BY period, id
!SELECT id FROM kinds ORDER BY list, id
!SELECT id FROM kinds ORDER BY net, id
!SELECT id FROM kinds ORDER BY padded DESC, id
!SELECT id FROM kinds ORDER BY "letter", id
!SELECT id FROM kinds ORDER BY label, id
!SELECT id FROM kinds ORDER BY data, id

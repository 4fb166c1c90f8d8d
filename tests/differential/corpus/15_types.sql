-- Types and names.
SELECT * FROM crm.leads
!SELECT * FROM crm.leads ORDER BY source, user_id, n
!SELECT user_id, n, source FROM crm.leads ORDER BY source DESC NULLS LAST, user_id, n LIMIT 7
!SELECT user_id, n FROM crm.leads ORDER BY source COLLATE "C", user_id, n
!SELECT user_id, n, moods FROM crm.leads ORDER BY moods, user_id, n
!SELECT user_id, n, home FROM crm.leads ORDER BY home, user_id, n
!SELECT user_id, n FROM crm.leads ORDER BY (home).zip, user_id, n
!SELECT user_id, n, doubled FROM crm.leads ORDER BY doubled, user_id
!SELECT user_id, n, age FROM crm.leads ORDER BY age DESC NULLS LAST, user_id, n
SELECT moods, count(*) FROM crm.leads GROUP BY moods
SELECT home, count(*) FROM crm.leads GROUP BY home
SELECT (home).street, count(*) FROM crm.leads GROUP BY (home).street
SELECT age, count(*) FROM crm.leads GROUP BY age
SELECT sum(age), max(age), sum(doubled) FROM crm.leads
SELECT crm.leads.user_id FROM crm.leads WHERE crm.leads.n = 2
SELECT crm.leads.source, count(*) FROM crm.leads GROUP BY crm.leads.source
SELECT count(crm.leads.*) FROM crm.leads
SELECT leads.source, count(*) FROM crm.leads GROUP BY leads.source
SELECT u.name, l.source FROM users u JOIN crm.leads l ON l.user_id = u.id
SELECT u.name, l.source FROM users u JOIN crm.leads l ON l.n = u.level
SELECT DISTINCT home FROM crm.leads
SELECT DISTINCT moods FROM crm.leads WHERE moods IS NOT NULL
SELECT DISTINCT source FROM crm.leads
SELECT 'ok'::mood = ANY (moods), count(*) FROM crm.leads GROUP BY 1
SELECT unnest(moods) AS m, count(*) FROM crm.leads GROUP BY m
SELECT max(home) FROM crm.leads
SELECT row_to_json(l) FROM crm.leads l WHERE n = 1
SELECT l FROM crm.leads l
SELECT count(l) FROM crm.leads l
SELECT to_jsonb(l) -> 'doubled', count(*) FROM crm.leads l GROUP BY 1
SELECT json_agg(u ORDER BY id) FROM users u WHERE level = 2
SELECT u, count(*) FROM users u GROUP BY u
SELECT u IS NULL, count(*) FROM countries c LEFT JOIN users u ON u.country = c.code GROUP BY 1
SELECT count(u), count(*) FROM countries c LEFT JOIN users u ON u.country = c.code
!SELECT u FROM users u ORDER BY u LIMIT 4
SELECT mood, count(*) FROM users GROUP BY mood
!SELECT mood, count(*) FROM users GROUP BY mood ORDER BY mood
SELECT id FROM users WHERE mood > 'sad' ORDER BY title
SELECT mood::text, count(*) FROM users GROUP BY 1
SELECT enum_range(NULL::mood), count(*) FROM users
SELECT max(mood), min(mood) FROM users
SELECT array_agg(mood ORDER BY id) FROM users
SELECT ARRAY(SELECT mood FROM users ORDER BY id)
SELECT id, ratio FROM users ORDER BY ratio
SELECT ratio, count(*) FROM users GROUP BY ratio
SELECT score, count(*) FROM users GROUP BY score
SELECT max(ratio), min(ratio), max(score), min(score) FROM users
SELECT DISTINCT ratio FROM users
SELECT count(*) FROM users WHERE ratio = 'NaN'
SELECT count(*) FROM users WHERE ratio > 5
SELECT extra, count(*) FROM users GROUP BY extra
SELECT extra ->> 's' AS s, sum((extra ->> 'n')::int) FROM users GROUP BY s
SELECT jsonb_agg(extra ORDER BY id) FROM users WHERE level = 1
SELECT tags, count(*) FROM users GROUP BY tags
!SELECT tags FROM users ORDER BY tags DESC, id
SELECT count(*) FROM docs WHERE body > '\x00'
!SELECT code FROM docs ORDER BY body NULLS FIRST, code
!SELECT id FROM logins ORDER BY at, id
SELECT date_trunc('month', at), count(*) FROM logins GROUP BY 1
SELECT at AT TIME ZONE 'Asia/Tokyo', count(*) FROM logins GROUP BY 1
SELECT * FROM "Odd Names"
!SELECT "Weird ""col", "order" FROM "Odd Names" ORDER BY "order", "Weird ""col", user_id
!SELECT "Weird ""col" AS "order" FROM "Odd Names" ORDER BY "order", user_id
SELECT "Odd Names"."order", count(*) FROM "Odd Names" GROUP BY "Odd Names"."order"
SELECT "select", count(*) FROM "Odd Names" WHERE "select" = 'x' GROUP BY 1
SELECT o."select" FROM "Odd Names" o JOIN users u ON u.level = o."order"
!SELECT "select", user_id FROM "Odd Names" ORDER BY "select", user_id
SELECT count(*) FROM parts
SELECT kind, count(*), sum(v) FROM parts GROUP BY kind
!SELECT * FROM parts ORDER BY v, id
SELECT count(*) FROM parts WHERE kind = 'a'
SELECT a.id, b.id FROM parts a JOIN parts b ON a.v = b.v AND a.id < b.id
SELECT count(*) FROM base
SELECT count(*) FROM ONLY base
SELECT v, count(*) FROM base GROUP BY v
SELECT v, count(*) FROM ONLY base GROUP BY v
!SELECT id FROM ONLY base ORDER BY v, id
!SELECT * FROM base ORDER BY v DESC, id
SELECT b.v, u.name FROM base b JOIN users u ON u.level = b.id
SELECT count(*) FROM derived
SELECT tableoid::regclass, count(*) FROM base GROUP BY 1
SELECT count(DISTINCT ctid) > 0 FROM users
SELECT xmin FROM users WHERE false
SELECT null::int AS x, count(*) FROM users
SELECT 'now'::timestamptz = now(), count(*) FROM users
SELECT count(*) FROM users WHERE born < 'today'
SELECT count(*) FROM users WHERE born < 'tomorrow'::date
SELECT k.id FROM kinds k WHERE (k.moment, interval '1 day') OVERLAPS (timestamp '2024-01-15', interval '2 days')
SELECT count(*) FROM kinds k WHERE (k.day, k.day + 3) OVERLAPS (date '1999-12-30', date '2000-01-02') OR k.id = 3

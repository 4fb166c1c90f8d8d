-- Rows are made by arithmetic, so that every server makes the same ones.
INSERT INTO countries VALUES
    ('de', 'Germany', 84000000), ('fr', 'France', 68000000), ('jp', 'Japan', 125000000),
    ('br', 'Brazil', 214000000), ('is', 'Iceland', 370000), ('xx', 'Nowhere', NULL);
INSERT INTO users
SELECT g,
       (ARRAY['ann', 'Bob', 'carol', 'Ünal', 'Émile', 'zoë', 'ann', 'dave''s', 'x y', '日本'])[1 + g % 10] || CASE WHEN g % 3 = 0 THEN '' ELSE g::text END,
       CASE WHEN g % 4 = 0 THEN NULL ELSE 'u' || g || '@example.com' END,
       CASE WHEN g % 7 = 0 THEN NULL ELSE (ARRAY['de', 'fr', 'jp', 'br', 'zz'])[1 + g % 5] END,
       CASE WHEN g % 9 = 0 THEN NULL WHEN g = 11 THEN 'NaN' ELSE (g * 37 % 101) / 4.0 END,
       CASE WHEN g % 8 = 0 THEN NULL WHEN g = 13 THEN 'NaN' WHEN g = 17 THEN 'Infinity' WHEN g = 19 THEN '-0' ELSE (g * 53 % 97) / 8.0 END,
       CASE WHEN g % 11 = 0 THEN NULL ELSE g % 5 END,
       CASE WHEN g % 6 = 0 THEN NULL ELSE date '2000-01-01' + g * 17 % 900 END,
       CASE g % 3 WHEN 0 THEN true WHEN 1 THEN false END,
       (ARRAY['sad', 'ok', 'happy', NULL])[1 + g % 4]::mood,
       CASE WHEN g % 5 = 0 THEN NULL ELSE ARRAY['t' || g % 3, 't' || g % 4] END,
       CASE WHEN g % 5 = 1 THEN NULL ELSE jsonb_build_object('n', g % 4, 's', 'v' || g % 3) END
FROM generate_series(1, 40) g;
INSERT INTO users (id, name, score) VALUES
    (0, 'zero', 0), (-1, 'minus', -1.5), (-42, 'minus', 100.25),
    (9223372036854775807, 'largest', 1e10), (-9223372036854775808, 'smallest', -1e10);
INSERT INTO orders
SELECT u, k, CASE WHEN (u + k) % 10 = 0 THEN NULL ELSE (u * 7 + k * 13) % 90 + 0.25 * k END,
       (u + k) % 4, timestamp '2024-01-01' + make_interval(hours => ((u * 31 + k * 17) % 400)::int),
       CASE WHEN k % 2 = 0 THEN 'note ' || (u % 6) END
FROM generate_series(1, 30) u, generate_series(1, 4) k WHERE (u + k) % 5 <> 0;
INSERT INTO orders VALUES (-42, 1, 5, 1, '2024-02-29', 'neg'), (1000, 1, 7.5, 2, '2024-03-01', 'orphan');
INSERT INTO items
SELECT user_id, id, n, (ARRAY['apple', 'pear', 'Plum', NULL])[(1 + (user_id + n) % 4)::int], ((user_id + n) * 3 % 20) + 0.99
FROM orders, generate_series(1, 2) n WHERE user_id > 0 AND user_id < 25;
INSERT INTO docs
SELECT (ARRAY['alpha', 'Beta', 'gamma', 'δέλτα', 'e''f', 'zero', ''])[1 + g % 7] || CASE WHEN g < 7 THEN '' ELSE g::text END,
       'title ' || g % 5, g * 13 % 40, decode(lpad(to_hex(g), 4, '0'), 'hex')
FROM generate_series(0, 29) g;
INSERT INTO logins
SELECT ('00000000-0000-4000-8000-' || lpad(to_hex(g * 7919), 12, '0'))::uuid, g % 12, timestamptz '2024-05-01 00:00+00' + make_interval(mins => g * 37)
FROM generate_series(1, 24) g;
INSERT INTO readings
SELECT d, 'd' || k, (d * k) / 4.0 FROM generate_series(1, 8) d, generate_series(1, 3) k;
INSERT INTO events SELECT g, (ARRAY['click', 'view', 'buy'])[1 + g % 3], g % 10 FROM generate_series(-20, 320, 10) g;
INSERT INTO tenants SELECT g, (ARRAY['free', 'pro'])[1 + g % 2] FROM generate_series(1, 12) g;
INSERT INTO audit_log SELECT g, g % 5, 'did ' || g FROM generate_series(1, 8) g;
INSERT INTO notes SELECT g, 'note ' || g FROM generate_series(1, 5) g;
INSERT INTO regions VALUES ('north', 1), ('south', 2), ('east', 3), ('west', 4), ('centre', 5), ('nowhere', NULL);
INSERT INTO crm.leads (user_id, n, source, moods, home, age)
SELECT u, n, (ARRAY['Web', 'web', 'fair', 'Äpfel', 'zoo', NULL])[1 + (u * 3 + n) % 6],
       CASE WHEN u % 4 = 0 THEN NULL ELSE ARRAY['ok', 'sad']::mood[] END,
       CASE WHEN u % 3 = 0 THEN NULL ELSE ROW('street ' || u % 5, u % 7)::address END,
       CASE WHEN u % 5 = 0 THEN NULL ELSE 1 + u % 6 END
FROM generate_series(1, 20) u, generate_series(1, 2) n;
INSERT INTO "Odd Names"
SELECT g, CASE WHEN g % 3 = 0 THEN NULL ELSE 'w' || g % 4 END, g % 5, CASE WHEN g % 2 = 0 THEN 'ab' ELSE 'x' END
FROM generate_series(1, 15) g;
INSERT INTO parts SELECT g, (ARRAY['a', 'b', 'c'])[1 + g % 3], g % 4 FROM generate_series(1, 24) g;
INSERT INTO base SELECT g, 'b' || g % 3 FROM generate_series(1, 8) g;
INSERT INTO derived SELECT g, 'd' || g % 2, 'm' FROM generate_series(9, 14) g;
INSERT INTO kinds
SELECT g, (ARRAY[NULL, 0, 1, 2, 3])[1 + g % 5], (ARRAY[NULL, 10, 9223372036854775807, -5])[1 + g % 4],
       (ARRAY[NULL, 1.50, 2.25, -3.00, 0.00])[1 + (g * 3) % 5], (ARRAY[NULL, 1.5, 2, 'NaN', 1e20])[1 + (g * 2) % 5],
       (ARRAY[NULL, 1.5, 'NaN', 'Infinity', '-Infinity', 2])[1 + g % 6], (ARRAY[NULL, 1.5, 0.1, 'NaN'])[1 + (g / 2) % 4],
       (ARRAY[NULL, '1 day', '2 hours', '1 mon', '-3 days', '1 year 2 mons']::interval[])[1 + (g / 3) % 6],
       (ARRAY[NULL, 'ab', 'abc', 'abcdef', ''])[1 + g % 5], (ARRAY[NULL, 'x', 'yy', 'Z', ''])[1 + (g / 2) % 5],
       (ARRAY[NULL, '2024-01-15 12:00Z', '2024-03-31 02:30+02', 'infinity', '-infinity']::timestamptz[])[1 + g % 5],
       (ARRAY[NULL, '2024-01-15 12:00', '2024-06-30 23:59:59.999999']::timestamp[])[1 + g % 3],
       (ARRAY[NULL, '00:00', '12:30', '24:00']::time[])[1 + g % 4], (ARRAY[NULL, '12:00+00', '13:00+02']::timetz[])[1 + g % 3],
       (ARRAY[NULL, '2024-02-29', 'infinity', '1999-12-31', '0044-03-15 BC']::date[])[1 + (g / 2) % 5],
       (ARRAY[NULL, '{"a": 1}', '{"a": 2, "b": [1, 2, null]}', '[]', '"s"', '1', 'null']::jsonb[])[1 + g % 7],
       (ARRAY[NULL, '{"a" : 1}', '[1, 2]']::json[])[1 + g % 3],
       (ARRAY[NULL, '{}', '{1,2}', '{2,1}', '{1,NULL}', '[0:1]={1,2}'])[1 + g % 6]::integer[],
       (ARRAY[NULL, '{a,b}', '{"x y",NULL}', '{}'])[1 + g % 4]::text[],
       (ARRAY[NULL, '[1,5)', '[3,9)', 'empty', '(,3)']::int4range[])[1 + g % 5], (ARRAY[NULL, '{[1,3),[5,7)}', '{}']::int4multirange[])[1 + g % 3],
       (ARRAY[NULL, '10.0.0.1', '10.0.0.1/24', '::1']::inet[])[1 + g % 4], (ARRAY[NULL, '1010', '0001']::bit(4)[])[1 + (g / 2) % 3],
       (ARRAY[NULL, '(1,2)', '(0,0)']::point[])[1 + g % 3], (ARRAY[NULL, '12.34', '-5']::money[])[1 + g % 3],
       (ARRAY[NULL, 'a', 'B']::"char"[])[1 + g % 3], (ARRAY[NULL, 'lab', 'Zab']::name[])[1 + (g / 2) % 3],
       (ARRAY[NULL, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '00000000-0000-0000-0000-000000000001']::uuid[])[1 + (g / 3) % 3],
       (ARRAY[NULL, '\x00ff', '\x']::bytea[])[1 + g % 3], (ARRAY[NULL, true, false])[1 + g % 3]
FROM generate_series(0, 29) g;
INSERT INTO kinds (id, small, amount, f) VALUES (-3, 1, 1.50, '-0'), (4294967296, 2, 7.00, 0);
INSERT INTO child (kind_id, n, v, t)
SELECT g, n, (ARRAY[NULL, 1.00, 2.50, 7.77, -1.00])[1 + (g + n) % 5], (ARRAY[NULL, 'a', 'b', 'C', 'é'])[1 + (g * 2 + n) % 5]
FROM generate_series(0, 29) g, generate_series(0, 3) n WHERE g % 7 <> 3 AND n <= g % 4;

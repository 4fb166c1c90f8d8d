-- Functions that somebody made: what counts is what their bodies do.
SELECT doubled_of(7)
SELECT doubled_of(id) FROM users WHERE id = 7
SELECT id, doubled_of(id) FROM users ORDER BY id LIMIT 5
SELECT doubled_of(level) AS d, count(*) FROM users GROUP BY 1 ORDER BY 1
SELECT count(*) FROM users WHERE doubled_of(level) > 4
SELECT sum(doubled_of(id)), max(label_of(name)) FROM users
SELECT label_of(name), label_of(name, level) FROM users WHERE id IN (7, 8) ORDER BY id
SELECT label_of_label(name) FROM users ORDER BY 1 LIMIT 3
SELECT u.id, doubled_of(o.qty) FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id < 10 ORDER BY 1, o.id
SELECT u.id, n.id FROM users u JOIN notes n ON doubled_of(n.id) = u.id ORDER BY 1, 2
SELECT id FROM users WHERE id = doubled_of(4)
SELECT positive_or_fail(-1)
SELECT positive_or_fail(id) FROM users WHERE id = -5
SELECT max(positive_or_fail(id)) FROM users WHERE id > 0
SELECT p FROM parts_of(2) p
SELECT u.id, p FROM users u, parts_of(u.id) p WHERE u.id BETWEEN 1 AND 4 ORDER BY 1, 2
SELECT doubled_of($1) @ 7
SELECT id FROM users WHERE doubled_of(id) = $1 @ 14
SELECT country_name('de')
SELECT id, country_name(country) FROM users ORDER BY id LIMIT 6
SELECT country_name(country), count(*) FROM users GROUP BY 1 ORDER BY 1
SELECT id FROM users WHERE id = 7 AND country_name(country) IS NOT NULL
SELECT code, country_name(code) FROM countries ORDER BY code
SELECT note_body(1)
SELECT note_body(id), note_and_country(id) FROM notes ORDER BY id
SELECT id FROM users WHERE name = note_body(1)
SELECT users_alike('x')
SELECT name, users_alike(name) FROM users WHERE id = 7
SELECT runs('SELECT count(*) FROM users')
SELECT seen_at()
SELECT set_for_now('x')
SELECT id, seen_at() FROM notes ORDER BY id
PREPARE extra_p(bigint) AS SELECT doubled_of($1), country_name('fr'); EXECUTE extra_p(4); DEALLOCATE extra_p
BEGIN; UPDATE countries SET name = 'changed' WHERE code = 'de'; SELECT country_name('de'); SELECT id, country_name(country) FROM users ORDER BY id LIMIT 6; ROLLBACK

-- Changes of a table through a simple view of it.
INSERT INTO grown (id, name, level) VALUES (951, 'x', 3)
INSERT INTO grown (id, name, level) VALUES (951, 'x', 3) RETURNING id, name
INSERT INTO grown (id, name) VALUES (951, 'x') RETURNING *
INSERT INTO grown VALUES (951, 'x', 3)
INSERT INTO grown (id, name) VALUES (7, 'x')
INSERT INTO grown (id, name) VALUES (7, 'x') ON CONFLICT (id) DO NOTHING
INSERT INTO grown (id, name) VALUES (7, 'x') ON CONFLICT (id) DO UPDATE SET name = excluded.name
INSERT INTO grown AS g (id, name) VALUES (7, 'x') ON CONFLICT (id) DO UPDATE SET name = g.name || excluded.name RETURNING g.name
INSERT INTO grown (id, name) VALUES (951, 'x'), (952, 'y')
INSERT INTO grown (name) VALUES ('x')
INSERT INTO grown (id, name, country) VALUES (951, 'x', 'de')
INSERT INTO grown (id, name) VALUES ($1, $2) @ 951 | x
INSERT INTO grown (id, name) VALUES (NULL, 'x')
UPDATE grown SET name = 'x' WHERE id = 7
UPDATE grown SET name = 'x' WHERE id = 1
UPDATE grown SET name = 'x' WHERE id = 8 RETURNING id, name, level
UPDATE grown SET level = 1 WHERE id = 8
UPDATE grown SET name = 'x' WHERE grown.id IN (7, 8, 9)
UPDATE grown AS g SET name = g.name || g.id WHERE g.id IN (7, 8, 9, 10) RETURNING g.id
UPDATE grown SET name = 'x'
UPDATE grown SET name = name || 'x', level = level + 1 WHERE level > 2
UPDATE grown SET name = 'x' WHERE country = 'de'
UPDATE grown SET country = 'de' WHERE id = 8
UPDATE grown SET id = 951 WHERE id = 8
UPDATE grown SET name = u.name FROM users u WHERE u.id = grown.id AND u.id = 8
UPDATE grown SET name = (SELECT max(name) FROM countries) WHERE id = 8
UPDATE grown SET name = $2 WHERE id = $1 @ 8 | x
DELETE FROM grown WHERE id = 8
DELETE FROM grown WHERE id = 1
DELETE FROM grown WHERE id IN (7, 8, 9, 10) RETURNING id
DELETE FROM grown
DELETE FROM grown USING countries c WHERE c.code = grown.name
DELETE FROM totals WHERE user_id = 7
UPDATE totals SET n = 1 WHERE user_id = 7
BEGIN; UPDATE grown SET name = 'x' WHERE id = 8; DELETE FROM grown WHERE level > 3; SELECT count(*) FROM grown; ROLLBACK
CREATE VIEW extra_v AS SELECT id AS user_id, name FROM users; UPDATE extra_v SET name = 'x' WHERE user_id = 7; DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT level AS id, name FROM users; UPDATE extra_v SET name = 'x' WHERE id = 7; DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT id, name FROM users WHERE level > 1 WITH CHECK OPTION; INSERT INTO extra_v (id, name) VALUES (951, 'x'); DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT user_id, id, qty FROM orders WITH LOCAL CHECK OPTION; INSERT INTO extra_v VALUES (7, 951, 3); UPDATE extra_v SET qty = 4 WHERE user_id = 7; DELETE FROM extra_v WHERE qty = 4; DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT name, id FROM users; INSERT INTO extra_v VALUES ('x', 951); INSERT INTO extra_v (name, id) VALUES ('x', 952); DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT * FROM users ORDER BY id; UPDATE extra_v SET name = 'x' WHERE id = 7; DELETE FROM extra_v WHERE country = 'de'; DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT DISTINCT id, name FROM users; UPDATE extra_v SET name = 'x' WHERE id = 7; DROP VIEW extra_v
-- Several rows through a view are split by key; a list of columns that is left out is the view's.
INSERT INTO grown (id, name, level) VALUES (951, 'x', 3), (952, 'y', 1), (953, 'z', NULL), (954, 'w', 5) RETURNING id, name
INSERT INTO grown VALUES (951, 'x', 3), (952, 'y'), (953, 'z')
INSERT INTO grown VALUES (951, 'x', 3), (7, 'y', 2) ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING *
INSERT INTO grown (name, id) VALUES ('x', 951), ('y', 8), ('z', 953)
INSERT INTO grown (id, name) VALUES ($1, $2), ($3, $4) @ 951 | x | 952 | y
INSERT INTO grown VALUES (951, 'x', 3, 4)
INSERT INTO grown VALUES (951, (SELECT max(name) FROM countries)), (952, 'y')
-- Columns under other names, in another order, and such that are none of the table's.
CREATE VIEW extra_v AS SELECT name AS id, id AS name, level FROM users; INSERT INTO extra_v VALUES ('x', 951), ('y', 952); UPDATE extra_v SET id = id || name WHERE name IN (7, 8, 951); DELETE FROM extra_v WHERE id = 'y'; SELECT count(*) FROM users; DROP VIEW extra_v
CREATE VIEW extra_v (a, b, c) AS SELECT id, name, level + 1 FROM users WHERE level > 1; UPDATE extra_v SET b = b || a WHERE a = 8; DELETE FROM extra_v v WHERE v.a IN (7, 9); INSERT INTO extra_v (a, b) VALUES (951, 'x'), (952, 'y') RETURNING a, b; DROP VIEW extra_v
CREATE VIEW extra_v (a, b, c) AS SELECT id, name, level + 1 FROM users; UPDATE extra_v SET b = 'x' WHERE c = 3; DROP VIEW extra_v
CREATE VIEW extra_v (a, b, c) AS SELECT id, name, level + 1 FROM users; UPDATE extra_v SET c = 3 WHERE a = 7; DROP VIEW extra_v
CREATE VIEW extra_v (level, name) AS SELECT id, name FROM users; UPDATE extra_v SET name = CASE WHEN level BETWEEN 3 AND 9 THEN upper(name) ELSE name || level END WHERE level = ANY (ARRAY[3, 30]) RETURNING level, name; DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT id AS a, id AS b, name FROM users; INSERT INTO extra_v (b, name) VALUES (951, 'x'); INSERT INTO extra_v (a, b, name) VALUES (952, 953, 'x'); DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT id, name, now() AS at FROM users; UPDATE extra_v SET name = 'x' WHERE id = 7; DROP VIEW extra_v
-- A view over a view, with checks.
CREATE VIEW extra_v AS SELECT id AS i, name AS n FROM grown WHERE level < 5 WITH CASCADED CHECK OPTION; UPDATE extra_v SET n = 'x' WHERE i = 8; UPDATE extra_v SET n = n || 'y'; DELETE FROM extra_v WHERE i IN (7, 8, 9, 10); DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT id AS i, name AS n FROM grown WHERE level < 5 WITH CASCADED CHECK OPTION; INSERT INTO extra_v VALUES (951, 'x'), (952, 'y'); DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT id, name, level FROM grown WHERE level < 5 WITH LOCAL CHECK OPTION; INSERT INTO extra_v VALUES (951, 'x', 4), (952, 'y', 1); UPDATE extra_v SET level = 9; DROP VIEW extra_v
-- What else the statement reads.
UPDATE grown SET name = c.name FROM countries c WHERE c.code = (SELECT country FROM users u WHERE u.id = grown.id)
UPDATE grown g SET name = o.note FROM orders o WHERE o.user_id = g.id AND o.qty = 2 RETURNING g.id
UPDATE grown SET name = o.note FROM orders o WHERE o.id = grown.id
DELETE FROM grown g USING orders o WHERE o.user_id = g.level RETURNING g.id
DELETE FROM grown WHERE id IN (SELECT user_id FROM orders WHERE qty = 1)
DELETE FROM grown WHERE id IN (SELECT id FROM users ORDER BY name, id LIMIT 3)
DELETE FROM grown WHERE EXISTS (SELECT FROM countries WHERE code = country)
UPDATE grown SET name = country FROM countries c WHERE c.code = 'de'
-- Views that PostgreSQL does not change.
DELETE FROM per_country
INSERT INTO grown_totals VALUES ('x', 1)
UPDATE totals SET nosuch = 1
CREATE VIEW extra_v AS SELECT id, name FROM users LIMIT 5; DELETE FROM extra_v WHERE id = 7; DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT id, name FROM users UNION ALL SELECT id, name FROM users; DELETE FROM extra_v WHERE id = 7; DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT count(*) AS id FROM users; DELETE FROM extra_v WHERE id = 7; DROP VIEW extra_v
-- Functions that look at nothing but the row.
CREATE VIEW extra_v AS SELECT id, name, upper(name) AS big, coalesce(level, 0) AS l FROM users WHERE length(name) > 3; UPDATE extra_v SET name = name || 'x' WHERE id IN (7, 8, 9) RETURNING *; DELETE FROM extra_v WHERE name LIKE 'B%'; INSERT INTO extra_v (id, name) VALUES (951, 'x'), (952, 'y') RETURNING big; DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT id, name, now() AS at FROM users; UPDATE extra_v SET name = 'x' WHERE id IN (7, 8) RETURNING at = now(); DROP VIEW extra_v
-- Views of a reference table, through which each shard's copy has to be changed or none.
CREATE VIEW vv AS SELECT code AS n_code, name, population FROM countries; UPDATE vv SET name = name || '!' WHERE population > 1 RETURNING n_code; DROP VIEW vv
CREATE VIEW vv AS SELECT code AS n_code, name, population FROM countries; CREATE VIEW vw AS SELECT n_code, name FROM vv WHERE n_code IS NOT NULL; UPDATE vw SET name = name || '!' WHERE name LIKE '%a%' RETURNING *; DROP VIEW vw; DROP VIEW vv
CREATE VIEW vv AS SELECT code AS n_code, name, population FROM countries; CREATE VIEW vw AS SELECT n_code, name FROM vv; INSERT INTO vw (name, n_code) VALUES ('c950', 'c950') RETURNING n_code; DROP VIEW vw; DROP VIEW vv
CREATE VIEW vv AS SELECT code, name FROM countries; CREATE VIEW vw AS SELECT code, name FROM vv; DELETE FROM vw WHERE code IN ('de', 'fr') RETURNING *; DROP VIEW vw; DROP VIEW vv
CREATE VIEW vv AS SELECT code, name FROM countries; CREATE VIEW vw AS SELECT code, name FROM vv; WITH d AS (DELETE FROM vw WHERE code IN ('de', 'fr') RETURNING code) SELECT count(*) FROM d; DROP VIEW vw; DROP VIEW vv
CREATE VIEW vv AS SELECT code, name, now() AS at FROM countries; UPDATE vv SET name = 'x' WHERE code = 'de'; DROP VIEW vv
CREATE VIEW vv AS SELECT code, name FROM countries WHERE population > (SELECT count(*) FROM notes); UPDATE vv SET name = 'x' WHERE code = 'de'; DROP VIEW vv
CREATE VIEW vv AS SELECT code, name FROM countries WHERE length(name) IN (SELECT id FROM audit_log); DELETE FROM vv; DROP VIEW vv
CREATE VIEW vv AS SELECT id, body FROM notes; CREATE VIEW vw AS SELECT id, body FROM vv; UPDATE vw SET body = 'x' WHERE id = 1 RETURNING *; DROP VIEW vw; DROP VIEW vv
CREATE VIEW vv AS SELECT id, body FROM notes WHERE EXISTS (SELECT FROM countries WHERE code = 'de'); UPDATE vv SET body = 'x' WHERE id = 1 RETURNING *; CREATE VIEW vw AS SELECT * FROM vv; DELETE FROM vw WHERE id = 2; DROP VIEW vw; DROP VIEW vv
CREATE VIEW vv AS SELECT code, now() AS at FROM countries; UPDATE notes SET body = 'x' FROM vv WHERE code = 'de' AND at = now(); DROP VIEW vv
CREATE VIEW vv AS SELECT code, id FROM countries, notes; DELETE FROM notes WHERE id IN (SELECT id FROM vv); UPDATE countries SET name = 'x' WHERE code IN (SELECT code FROM vv); DROP VIEW vv
CREATE VIEW vv AS SELECT code, name FROM countries; CREATE VIEW vw AS SELECT n.id, v.name FROM notes n, vv v; SELECT count(*) FROM vw; SELECT count(*) FROM vw JOIN users ON users.name = vw.name; DROP VIEW vw; DROP VIEW vv
-- Behind a view are triggers and rules of its own and those of its table.
CREATE FUNCTION extra_f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE notes SET body = NEW.body || '!' WHERE id = OLD.id; RETURN NEW; END$$; CREATE VIEW vv AS SELECT id, body FROM notes; CREATE TRIGGER extra_t INSTEAD OF UPDATE ON vv FOR EACH ROW EXECUTE FUNCTION extra_f(); UPDATE vv SET body = 'x' WHERE id < 3; DROP VIEW vv; DROP FUNCTION extra_f()
CREATE RULE extra_r AS ON INSERT TO notes DO INSTEAD UPDATE notes SET body = new.body WHERE id = 1; INSERT INTO notes VALUES (951, 'x'); SELECT * FROM notes WHERE id IN (1, 951); DROP RULE extra_r ON notes
CREATE RULE extra_r AS ON DELETE TO notes DO INSTEAD NOTHING; DELETE FROM notes; SELECT count(*) FROM notes; DROP RULE extra_r ON notes
-- Insertions through a view of a reference table: what is not said has its default, in the view and in the table.
CREATE VIEW vv AS SELECT code, name, population FROM countries; INSERT INTO vv VALUES ('x1', 'y', DEFAULT); INSERT INTO vv VALUES ('de', 'x', 1) ON CONFLICT (code) DO UPDATE SET name = excluded.name RETURNING *; DROP VIEW vv
CREATE VIEW vv AS SELECT code, name, population FROM countries; ALTER VIEW vv ALTER population SET DEFAULT 5; INSERT INTO vv VALUES ('x1', 'y'), ('x2', 'z') RETURNING *; DROP VIEW vv
CREATE VIEW vv AS SELECT code, name FROM countries; INSERT INTO vv (code, name) SELECT 'x' || i, 'n' FROM generate_series(1, 3) i; INSERT INTO vv SELECT name, code FROM vv WHERE code = 'x2' RETURNING *; DROP VIEW vv

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
CREATE RULE extra_r AS ON DELETE TO grown DO INSTEAD NOTHING; DELETE FROM grown WHERE id = 8; DROP RULE extra_r ON grown
CREATE VIEW extra_v AS SELECT id AS user_id, name FROM users; UPDATE extra_v SET name = 'x' WHERE user_id = 7; DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT level AS id, name FROM users; UPDATE extra_v SET name = 'x' WHERE id = 7; DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT id, name FROM users WHERE level > 1 WITH CHECK OPTION; INSERT INTO extra_v (id, name) VALUES (951, 'x'); DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT user_id, id, qty FROM orders WITH LOCAL CHECK OPTION; INSERT INTO extra_v VALUES (7, 951, 3); UPDATE extra_v SET qty = 4 WHERE user_id = 7; DELETE FROM extra_v WHERE qty = 4; DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT name, id FROM users; INSERT INTO extra_v VALUES ('x', 951); INSERT INTO extra_v (name, id) VALUES ('x', 952); DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT * FROM users ORDER BY id; UPDATE extra_v SET name = 'x' WHERE id = 7; DELETE FROM extra_v WHERE country = 'de'; DROP VIEW extra_v
CREATE VIEW extra_v AS SELECT DISTINCT id, name FROM users; UPDATE extra_v SET name = 'x' WHERE id = 7; DROP VIEW extra_v

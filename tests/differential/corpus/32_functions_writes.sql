-- Functions that somebody made, in changes of rows.
UPDATE users SET level = doubled_of(level) WHERE id = 7
UPDATE users SET level = doubled_of(level), name = label_of(name)
UPDATE users SET level = 1 WHERE doubled_of(id) < 20 RETURNING id, doubled_of(id)
DELETE FROM orders WHERE doubled_of(qty) > 4
INSERT INTO users (id, name) VALUES (951, label_of('x')), (952, label_of('y', 3)) RETURNING name
INSERT INTO users (id, name) VALUES (doubled_of(480), 'x')
INSERT INTO users (id, name) SELECT 900 + doubled_of(id), label_of(name) FROM users WHERE id BETWEEN 1 AND 9
INSERT INTO countries (code, name, population) VALUES ('x1', label_of('x'), doubled_of(4))
UPDATE countries SET population = doubled_of(population)
UPDATE countries SET name = country_name('de') WHERE code = 'fr'
UPDATE users SET name = country_name(country) WHERE id < 5
UPDATE notes SET body = note_body(2) WHERE id = 1
INSERT INTO notes VALUES (951, note_body(1))
SELECT add_note(951, 'x')
SELECT add_note(1, 'x'), note_body(1)
SELECT add_note(id, 'x') FROM notes
BEGIN; SELECT add_note(951, 'x'); UPDATE users SET level = 1; SELECT note_body(951); ROLLBACK
BEGIN; SELECT add_note(951, 'x'); UPDATE users SET level = 1; COMMIT
CREATE FUNCTION extra_f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO notes VALUES (1000 + NEW.id, 'seen') ON CONFLICT DO NOTHING; RETURN NEW; END$$; CREATE TABLE extra_n (id bigint); CREATE TRIGGER extra_t AFTER INSERT ON extra_n FOR EACH ROW EXECUTE FUNCTION extra_f(); INSERT INTO extra_n VALUES (1); SELECT * FROM notes WHERE id > 1000; DROP TABLE extra_n; DROP FUNCTION extra_f()
-- A trigger's own change has triggers behind it.

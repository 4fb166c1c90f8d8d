-- What no spread of these tables can do as one server: keys without a shard, rules, triggers and functions that reach over shards,
-- values that differ from copy to copy. Each is refused.
INSERT INTO events VALUES (100000, 'buy', 1)
UPDATE events SET id = 5000 WHERE id = 50
CREATE RULE extra_r AS ON DELETE TO grown DO INSTEAD NOTHING; DELETE FROM grown WHERE id = 8; DROP RULE extra_r ON grown
CREATE VIEW extra_v AS SELECT id, name FROM users LIMIT 5; CREATE RULE extra_r AS ON DELETE TO extra_v DO INSTEAD NOTHING; DELETE FROM extra_v WHERE id = 7; DROP VIEW extra_v
CREATE VIEW vv AS SELECT id, body FROM notes; CREATE RULE extra_r AS ON UPDATE TO vv DO INSTEAD UPDATE countries SET name = 'x'; UPDATE vv SET body = 'x'; DROP VIEW vv
CREATE VIEW vv AS SELECT now() AS at; CREATE RULE extra_r AS ON DELETE TO vv DO INSTEAD DELETE FROM countries WHERE code = 'de'; DELETE FROM vv; DROP VIEW vv
CREATE VIEW vv AS SELECT now() AS at; CREATE RULE extra_r AS ON INSERT TO vv DO INSTEAD INSERT INTO countries (code, name) VALUES ('x1', 'x'); INSERT INTO vv VALUES (now()); DROP VIEW vv
CREATE VIEW vv AS SELECT 1 AS i; CREATE RULE extra_r AS ON UPDATE TO vv DO INSTEAD UPDATE users SET name = 'x'; UPDATE vv SET i = 2; DROP VIEW vv
CREATE FUNCTION extra_f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE countries SET name = 'x' WHERE code = 'de'; RETURN NEW; END$$; CREATE TRIGGER extra_t AFTER UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION extra_f(); CREATE VIEW vv AS SELECT id, body FROM notes; UPDATE vv SET body = 'x' WHERE id = 1; DROP VIEW vv; DROP TRIGGER extra_t ON notes; DROP FUNCTION extra_f()
CREATE FUNCTION extra_f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE countries SET name = 'x' WHERE code = 'de'; RETURN NEW; END$$; CREATE VIEW vv AS SELECT id, body FROM notes; CREATE TRIGGER extra_t INSTEAD OF UPDATE ON vv FOR EACH ROW EXECUTE FUNCTION extra_f(); UPDATE vv SET body = 'x' WHERE id = 1; DROP VIEW vv; DROP FUNCTION extra_f()
CREATE VIEW vv AS SELECT code, name, population FROM countries; ALTER VIEW vv ALTER population SET DEFAULT extract(year FROM clock_timestamp())::bigint; INSERT INTO vv (code, name) VALUES ('x1', 'y'); DROP VIEW vv
ALTER TABLE countries ADD list text[]; UPDATE countries SET list[2] = name WHERE code IN ('de', 'fr') RETURNING list; UPDATE countries SET list[1] = random()::text; ALTER TABLE countries DROP list
SELECT add_note(id, 'x') FROM users WHERE id = 7
SELECT renamed_country('de', 'x')
SELECT country_name('de'), renamed_country('de', 'x')
SELECT runs('UPDATE notes SET body = ''x'' RETURNING id')
CREATE FUNCTION extra_g() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE countries SET name = 'x' WHERE code = 'de'; RETURN NEW; END$$; CREATE TRIGGER extra_u AFTER UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION extra_g(); CREATE FUNCTION extra_f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE notes SET body = 'seen' WHERE id = 1; RETURN NEW; END$$; CREATE TABLE extra_n (id bigint); CREATE TRIGGER extra_t AFTER INSERT ON extra_n FOR EACH ROW EXECUTE FUNCTION extra_f(); INSERT INTO extra_n VALUES (1); DROP TABLE extra_n; DROP TRIGGER extra_u ON notes; DROP FUNCTION extra_f(); DROP FUNCTION extra_g()
CREATE FUNCTION extra_g() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE countries SET name = 'x' WHERE code = 'de'; RETURN NEW; END$$; CREATE TRIGGER extra_u AFTER INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION extra_g(); SELECT add_note(1, 'y'); DROP TRIGGER extra_u ON notes; DROP FUNCTION extra_g()

-- Rows come back in the order in which they were given, wherever they were inserted.
!INSERT INTO users (id, name, born) VALUES (201, 'a', now()), (202, 'b', now()), (203, 'c', '2020-01-01'), (204, 'd', now()), (205, 'e', now()), (206, 'f', now()) RETURNING id, name
!INSERT INTO users (id, name) SELECT 200 + o, x FROM unnest(ARRAY['q', 'w', 'e', 'r', 't', 'z']) WITH ORDINALITY u(x, o) ORDER BY o RETURNING name, id
!INSERT INTO users (id, name) SELECT p0, p1 FROM (VALUES (209, 'q', 0), (203, 'w', 1), (207, 'e', 2), (201, 'r', 3), (210, 't', 4)) AS s(p0, p1, n) ORDER BY n RETURNING *
!INSERT INTO users (id, name) VALUES (201, 'a'), (7, 'b'), (202, 'c'), (8, 'd'), (203, 'e'), (9, 'f'), (204, 'g') ON CONFLICT DO NOTHING RETURNING id, name
!INSERT INTO users (id, name) VALUES (201, 'a'), (7, 'b'), (202, 'c'), (8, 'd'), (203, 'e'), (9, 'f'), (204, 'g') ON CONFLICT (id) DO UPDATE SET name = excluded.name || '!' WHERE users.id <> 8 RETURNING id, name;
!INSERT INTO users (id, name) VALUES (201, 'a'), (7, 'b'), (202, 'c'), (8, 'd'), (203, 'e') ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING id, name -- a comment
!INSERT INTO users (id, name) VALUES ($1, 'a'), ($2, 'b'), ($3, 'c'), (7, 'd'), (204, 'e') ON CONFLICT DO NOTHING RETURNING id @ 203 | 201 | 202
!INSERT INTO tenants SELECT id + 1000, name FROM users WHERE name IS NOT NULL ORDER BY id DESC RETURNING id, plan
!INSERT INTO orders (user_id, id) SELECT user_id, id + 9000 FROM orders ORDER BY user_id DESC, id RETURNING user_id, id
!INSERT INTO orders (user_id, id) SELECT user_id, id + 9000 FROM (SELECT * FROM orders ORDER BY id DESC, user_id) o RETURNING user_id, id
!INSERT INTO countries SELECT 'x' || id, name, id FROM users ORDER BY id DESC RETURNING code
!INSERT INTO audit_log (id, actor) SELECT 7000 + id, level FROM users ORDER BY id DESC RETURNING id, actor
-- Of two that conflict, the first stays.
!INSERT INTO orders (user_id, id, note) VALUES (201, 1, 'first'), (202, 1, 'x'), (201, 1, repeat('y', 900)), (203, 1, 'z') ON CONFLICT DO NOTHING RETURNING user_id, note
!INSERT INTO docs (code, title) SELECT 'n' || g % 7, repeat(g::text, 200) FROM generate_series(1, 60) g ORDER BY g ON CONFLICT (code) DO NOTHING RETURNING code, length(title)
-- A trigger leaves rows out.
!CREATE FUNCTION extra_skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.name = ''skip'' THEN RETURN NULL; END IF; RETURN NEW; END'; CREATE TRIGGER extra_t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION extra_skip(); INSERT INTO users (id, name) VALUES (201, 'skip'), (202, 'b'), (203, 'c'), (204, 'skip'), (205, 'e'), (206, 'f'), (207, 'skip'), (208, 'h') RETURNING id, name; DROP TRIGGER extra_t ON users; DROP FUNCTION extra_skip
-- In a transaction, more than once.
!BEGIN; INSERT INTO users (id, name, born) VALUES (201, 'a', now()), (202, 'b', now()), (203, 'c', now()) RETURNING id; INSERT INTO users (id, name, born) VALUES (206, 'a', now()), (205, 'b', now()), (204, 'c', now()) RETURNING id; ROLLBACK
-- A name that is a row in one block is something else in another.
SELECT (SELECT json_agg(x ORDER BY x.id) FROM tenants x WHERE id < 9), (SELECT json_agg(x ORDER BY x.a) FROM (SELECT id AS a, plan AS b FROM tenants WHERE id < 9) x)
SELECT (SELECT json_agg(t ORDER BY t.n) FROM (SELECT n, v FROM child WHERE kind_id = 2) t), (SELECT json_agg(t ORDER BY t.id) FROM tenants t)
SELECT (SELECT json_agg(x ORDER BY x.id) FROM tenants x), (SELECT sum(x) FROM generate_series(1, 3) x), (SELECT json_agg(x) FROM (VALUES (1, 'a')) x(a, b))
SELECT (SELECT count(plan) FROM tenants plan), (SELECT count(plan) FROM docs plan)
WITH t AS (SELECT n FROM child WHERE kind_id = 3) SELECT (SELECT json_agg(t ORDER BY t.n) FROM t), (SELECT json_agg(t ORDER BY t.id) FROM tenants t WHERE id < 3)
SELECT (SELECT json_agg(t ORDER BY t.id) FROM tenants t), (SELECT json_agg(t ORDER BY t.id) FROM events t)
!SELECT t.id, (SELECT json_agg(t) FROM events e WHERE e.id = t.id + 1) FROM tenants t ORDER BY t.id
!SELECT t FROM tenants t WHERE (SELECT count(t) FROM generate_series(1, 2) t) = 2 ORDER BY t
!SELECT json_agg(t ORDER BY 1) FROM (SELECT t FROM tenants t ORDER BY plan, id LIMIT 3) t
-- A subquery that chooses rows is answered first.
DELETE FROM users WHERE id IN (SELECT id FROM users ORDER BY id DESC LIMIT 10)
DELETE FROM users WHERE id IN (SELECT id FROM users ORDER BY id DESC LIMIT 3 OFFSET 2) RETURNING id
DELETE FROM users WHERE id = (SELECT id FROM users ORDER BY id LIMIT 1) RETURNING *
DELETE FROM users WHERE id = ANY(ARRAY(SELECT user_id FROM orders ORDER BY id, user_id LIMIT 4)) RETURNING id
DELETE FROM users WHERE id NOT IN (SELECT user_id FROM orders WHERE user_id IS NOT NULL ORDER BY user_id LIMIT 5)
DELETE FROM users u WHERE EXISTS (SELECT 1 FROM orders OFFSET 1000)
DELETE FROM users WHERE id IN (SELECT id FROM users WHERE level > $1 ORDER BY id LIMIT $2) @ 1 | 3
UPDATE users SET name = 'x' || level WHERE id IN (SELECT user_id FROM orders ORDER BY total DESC NULLS LAST, user_id, id LIMIT 5) RETURNING id, name
UPDATE users SET level = (SELECT count(*) FROM (SELECT id FROM orders ORDER BY id LIMIT 7) x) WHERE id < 9
UPDATE users SET born = now() WHERE id IN (SELECT id FROM users WHERE born < now() ORDER BY born, id LIMIT 3)
UPDATE orders SET note = 'big' WHERE (user_id, id) IN (SELECT user_id, id FROM orders ORDER BY total DESC NULLS LAST, user_id, id LIMIT 4)
WITH batch AS (SELECT id FROM users ORDER BY id LIMIT 3) DELETE FROM users USING batch WHERE users.id = batch.id RETURNING users.id
DELETE FROM users USING (SELECT id, row_number() OVER (ORDER BY id DESC) AS n FROM users) b WHERE users.id = b.id AND b.n < 4
DELETE FROM users WHERE id IN (SELECT DISTINCT ON (level) id FROM users ORDER BY level, id)
DELETE FROM users WHERE id IN (SELECT id FROM tenants ORDER BY plan, id LIMIT 3)
BEGIN; DELETE FROM users WHERE id IN (SELECT id FROM users ORDER BY id LIMIT 2); DELETE FROM users WHERE id IN (SELECT id FROM users ORDER BY id LIMIT 2); SELECT min(id) FROM users; ROLLBACK
DELETE FROM users WHERE id IN (SELECT user_id FROM orders WHERE total > users.level ORDER BY id DESC LIMIT 1)
DELETE FROM users WHERE id IN (SELECT id FROM users ORDER BY id LIMIT -1)
-- Rows of arrays and documents, as drivers insert them in bulk.
!INSERT INTO users (id, name) SELECT * FROM unnest($1::bigint[], $2::text[]) RETURNING id, name @ {203,201,202} | {a,b,c}
INSERT INTO tenants SELECT * FROM unnest(ARRAY[201, 202], ARRAY['a', 'b'])
INSERT INTO tenants SELECT * FROM unnest($1::bigint[], $2::text[]) @ {201,202} | {a,b}
INSERT INTO tenants SELECT * FROM (VALUES (201, 'a'), (202, 'b')) v
WITH s AS (SELECT id + 1000, plan FROM tenants) INSERT INTO tenants SELECT * FROM s
WITH s AS (SELECT * FROM tenants) INSERT INTO users (id, name) SELECT s.id + 1000, 'x' FROM s
INSERT INTO tenants SELECT * FROM json_to_recordset('[{"id":201,"plan":"x"},{"id":202}]') AS x(id bigint, plan text)
INSERT INTO tenants (id) SELECT * FROM generate_series(201, 209)
INSERT INTO tenants SELECT * FROM generate_series(201, 209)
INSERT INTO tenants SELECT * FROM unnest(ARRAY['a', 'b']) WITH ORDINALITY u(x, o)
INSERT INTO users (id, name) SELECT 201, 'a' ON CONFLICT (id) DO UPDATE SET name = excluded.name
!INSERT INTO users (id, name) SELECT unnest($1::bigint[]), unnest($2::text[]) ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING id, name @ {203,7,201,202} | {a,b,c,d}

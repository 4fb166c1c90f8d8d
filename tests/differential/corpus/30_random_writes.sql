-- What random statements have found.
UPDATE orders AS u SET user_id = u.user_id + 1, id = u.id + 50 WHERE u.id = 4 RETURNING u, u.id
UPDATE orders SET user_id = user_id + 1, id = id + 50 WHERE id = 4 RETURNING row_to_json(orders.*)
-- A session that has had temporary tables, a read whose rows another shard puts together in some, and a commit on both.
BEGIN; CREATE TEMP TABLE made AS SELECT id FROM users; ROLLBACK; BEGIN; UPDATE orders SET note = 'x'; SELECT sum(level) FROM users WHERE id IN (SELECT n FROM child); COMMIT
-- What a rule has left behind is nothing.
CREATE RULE extra_r AS ON DELETE TO notes DO INSTEAD NOTHING; DROP RULE extra_r ON notes; INSERT INTO notes (id, body) SELECT 1000 + id, name FROM users WHERE id IN (7, 8)
UPDATE orders o SET user_id = user_id + 951 WHERE id = 4 RETURNING o, (o).qty, o IS NULL, coalesce(o, NULL) AS c
UPDATE orders SET user_id = user_id + 951 WHERE id = 4 RETURNING orders AS x, to_jsonb(orders) -> 'user_id', row_to_json(orders.*), orders
UPDATE public.orders SET user_id = 951 WHERE id = 5 AND user_id = 7 RETURNING orders
UPDATE orders o SET user_id = user_id + 951 WHERE id = 4 RETURNING o::text, (SELECT o), CASE WHEN qty > 0 THEN NULL ELSE o END
UPDATE public.orders SET user_id = 951 WHERE id = 5 AND user_id = 7 RETURNING public.orders.qty

-- What random statements have found.
UPDATE orders AS u SET user_id = u.user_id + 1, id = u.id + 50 WHERE u.id = 4 RETURNING u, u.id
UPDATE orders SET user_id = user_id + 1, id = id + 50 WHERE id = 4 RETURNING row_to_json(orders.*)
-- A session that has had temporary tables, a read whose rows another shard puts together in some, and a commit on both.
BEGIN; CREATE TEMP TABLE made AS SELECT id FROM users; ROLLBACK; BEGIN; UPDATE orders SET note = 'x'; SELECT sum(level) FROM users WHERE id IN (SELECT n FROM child); COMMIT

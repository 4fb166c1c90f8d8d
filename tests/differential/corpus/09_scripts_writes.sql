-- A message of several statements ends at its first error, also after a COMMIT inside it.
BEGIN; SELECT 1; COMMIT; SELECT 1/0; SELECT 3
BEGIN; COMMIT; SELECT 1/0; SELECT id FROM users WHERE id = 2
BEGIN; COMMIT; SELECT * FROM nosuch; BEGIN; SELECT 2; COMMIT
BEGIN; COMMIT; UPDATE users SET level = 9 WHERE id = 7; SELECT 1/0; SELECT 3
BEGIN; ROLLBACK; UPDATE users SET level = 9 WHERE id = 7; SELECT id FROM users WHERE id = 7
SELECT 1; BEGIN; SELECT 1/0; COMMIT; SELECT 3
-- What the transaction has redefined itself is read as it is by then.
BEGIN; ALTER TABLE users ADD COLUMN nw int DEFAULT 5; SELECT sum(nw), count(nw) FROM users; ROLLBACK
BEGIN; ALTER TABLE users ALTER COLUMN level TYPE numeric USING level + 0.25; SELECT sum(level), count(DISTINCT level) FROM users; ROLLBACK
BEGIN; ALTER TABLE users RENAME COLUMN level TO depth; SELECT avg(depth) FROM users; ROLLBACK

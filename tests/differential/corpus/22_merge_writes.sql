-- MERGE between tables that live in different ways: one whole on a shard, the other spread, or on another shard.
MERGE INTO notes n USING users u ON n.id = u.id WHEN MATCHED THEN UPDATE SET body = u.name WHEN NOT MATCHED AND u.id > 30 THEN INSERT VALUES (u.id, u.email)
MERGE INTO notes n USING (SELECT user_id AS id, count(*) AS c FROM orders GROUP BY user_id) s ON n.id = s.id WHEN MATCHED THEN UPDATE SET body = s.c::text WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)
MERGE INTO notes n USING audit_log a ON n.id = a.id WHEN MATCHED AND a.actor = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET body = a.what WHEN NOT MATCHED THEN INSERT VALUES (a.id, 'new ' || a.what)
MERGE INTO audit_log a USING users ON a.id = users.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED AND users.level = 3 THEN INSERT VALUES (users.id, users.level, users.name)
MERGE INTO notes n USING users u ON n.id = u.level WHEN MATCHED THEN UPDATE SET body = 'twice'
MERGE INTO notes n USING users u ON n.id = u.id WHEN NOT MATCHED THEN INSERT VALUES (1, u.name)
MERGE INTO notes n USING users u ON n.id = u.id AND n.id < (SELECT count(*) FROM tenants) WHEN MATCHED THEN DELETE
MERGE INTO users u USING audit_log a ON u.id = a.id WHEN MATCHED THEN UPDATE SET name = a.what WHEN NOT MATCHED THEN INSERT (id, name) VALUES (a.id, a.what)
MERGE INTO users u USING (SELECT a.id + 6 AS id, n.body FROM audit_log a JOIN notes n ON n.id = a.id) s ON s.id = u.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, coalesce(s.body, 'none'))
MERGE INTO users u USING (SELECT o.user_id AS id, max(a.what) AS w FROM orders o JOIN audit_log a ON a.actor = o.qty GROUP BY 1) s ON s.id = u.id WHEN MATCHED THEN UPDATE SET email = s.w
MERGE INTO child c USING audit_log a ON c.kind_id = a.id AND c.n = 1 WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (kind_id, n) VALUES (a.id, 1)
MERGE INTO users u USING audit_log a ON u.id = a.id WHEN NOT MATCHED THEN INSERT (id, name) VALUES (a.id + 1, 'off')
BEGIN; MERGE INTO notes n USING users u ON n.id = u.id WHEN MATCHED THEN DELETE; SELECT count(*) FROM notes; ROLLBACK

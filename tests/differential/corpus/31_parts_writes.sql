-- An element or a field of a column is assigned.
UPDATE users SET tags[1] = 'first' WHERE id = 7 RETURNING id, tags
UPDATE users SET tags[2] = name WHERE country = 'de' RETURNING id, tags
UPDATE users SET tags[1:2] = ARRAY['a', 'b'], name = 'x' WHERE id IN (7, 8, 9)
UPDATE users SET tags[5] = 'far', tags[6] = upper(name)
UPDATE users SET extra['a'] = '1' WHERE id < 10 RETURNING extra
UPDATE users SET extra['deep']['er'] = to_jsonb(name), level = 3 WHERE extra IS NULL OR id = 8
UPDATE users SET "tags"[1] = $1 WHERE id = $2 @ one | 7
UPDATE users AS u SET tags[1] = c.name FROM countries c WHERE c.code = u.country RETURNING u.id, u.tags
UPDATE users SET tags[1] = (SELECT count(*)::text FROM orders o WHERE o.user_id = users.id)
UPDATE users SET tags[-1] = 'before', tags[0] = 'zero' WHERE id = 7 RETURNING tags
UPDATE users SET tags[1] = 'x', id = 951 WHERE id = 7
UPDATE users SET tags[1] = 'x', id = 7 WHERE id = 7 RETURNING id, tags
UPDATE users SET id[1] = 7 WHERE id = 7
UPDATE users SET name.first = 'x' WHERE id = 7
UPDATE users SET users.name = 'x' WHERE id = 7
UPDATE users SET tags[1] = DEFAULT WHERE id = 7
INSERT INTO users (id, name, tags) VALUES (7, 'x', '{a}'), (8, 'y', '{b}'), (951, 'z', '{c}') ON CONFLICT (id) DO UPDATE SET tags[1] = excluded.name, extra['was'] = to_jsonb(users.name) RETURNING id, tags, extra
WITH changed AS (UPDATE users SET tags[1] = 'x' WHERE country = 'fr' RETURNING id, tags) SELECT id, tags FROM changed WHERE tags[1] = 'x'
MERGE INTO users u USING (VALUES (7, 'a'), (8, 'b')) v (id, t) ON u.id = v.id WHEN MATCHED THEN UPDATE SET tags[1] = v.t
CREATE VIEW extra_v AS SELECT id AS i, tags AS t FROM users; UPDATE extra_v SET t[1] = 'x' WHERE i IN (7, 8); DROP VIEW extra_v
UPDATE crm.leads SET home.zip = 12345 WHERE user_id = 7 RETURNING home
UPDATE crm.leads SET home.street = upper((home).street), home.zip = (home).zip + 1, moods[1] = $$sad$$ RETURNING user_id, home, moods
SELECT id, tags[1] = 'x' AS set, level FROM users WHERE id < 9
ALTER TABLE countries ADD list text[]; UPDATE countries SET list[2] = name WHERE code IN ('de', 'fr') RETURNING list; ALTER TABLE countries DROP list

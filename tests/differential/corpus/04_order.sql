-- ORDER BY, LIMIT, OFFSET. The order of each is total, so it is compared.
!SELECT id FROM users ORDER BY id
!SELECT id FROM users ORDER BY id DESC
!SELECT id FROM users ORDER BY id LIMIT 5
!SELECT id FROM users ORDER BY id LIMIT 5 OFFSET 3
!SELECT id FROM users ORDER BY id OFFSET 35
!SELECT id FROM users ORDER BY id LIMIT 0
!SELECT id FROM users ORDER BY id LIMIT ALL
!SELECT id FROM users ORDER BY id LIMIT NULL
!SELECT id FROM users ORDER BY id LIMIT 1 + 2
!SELECT id FROM users ORDER BY id LIMIT -1
!SELECT id FROM users ORDER BY id FETCH FIRST 3 ROWS ONLY
!SELECT id FROM users ORDER BY id FETCH FIRST ROW ONLY
!SELECT id FROM users ORDER BY id OFFSET 2 ROWS FETCH NEXT 3 ROWS ONLY
SELECT level FROM users ORDER BY level FETCH FIRST 3 ROWS WITH TIES
!SELECT id FROM users ORDER BY 1
!SELECT name, id FROM users ORDER BY 2 DESC LIMIT 4
!SELECT name, id FROM users ORDER BY name, id
!SELECT name, id FROM users ORDER BY name DESC, id DESC
!SELECT id FROM users ORDER BY name, id
!SELECT id FROM users ORDER BY upper(name), id
!SELECT id FROM users ORDER BY lower(name) DESC, id LIMIT 5
!SELECT id AS x FROM users ORDER BY x
!SELECT -id AS id FROM users WHERE id > -9223372036854775808 ORDER BY id
!SELECT id FROM users WHERE id > -9223372036854775808 ORDER BY -id LIMIT 3
!SELECT id, score FROM users ORDER BY score, id
!SELECT id, score FROM users ORDER BY score DESC, id
!SELECT id, score FROM users ORDER BY score NULLS FIRST, id
!SELECT id, score FROM users ORDER BY score DESC NULLS LAST, id
!SELECT id, ratio FROM users ORDER BY ratio, id
!SELECT id, ratio FROM users ORDER BY ratio DESC, id
!SELECT id, born FROM users ORDER BY born, id
!SELECT id, born FROM users ORDER BY born DESC NULLS LAST, id
!SELECT id, active FROM users ORDER BY active, id
!SELECT id, active FROM users ORDER BY active DESC, id
!SELECT id, mood FROM users ORDER BY mood, id
!SELECT id, tags FROM users ORDER BY tags, id
!SELECT id, extra FROM users ORDER BY extra, id
!SELECT id, email FROM users ORDER BY email NULLS FIRST, id LIMIT 7
!SELECT id, at FROM logins ORDER BY id
!SELECT at FROM logins ORDER BY at DESC
!SELECT code, body FROM docs ORDER BY body DESC
!SELECT code FROM docs ORDER BY code
!SELECT code FROM docs ORDER BY code COLLATE "C"
!SELECT code FROM docs ORDER BY length(code), code
!SELECT user_id, id, created FROM orders ORDER BY created, user_id, id
!SELECT user_id, id, total FROM orders ORDER BY total DESC, user_id, id LIMIT 10
!SELECT user_id, id FROM orders ORDER BY qty, total NULLS FIRST, user_id, id
!SELECT o.user_id, o.id, u.name FROM orders o JOIN users u ON u.id = o.user_id ORDER BY u.name, o.id, o.user_id LIMIT 12
!SELECT u.id FROM users u WHERE u.id IN (1, 2, 3, 4) ORDER BY u.name DESC, u.id
!SELECT u.id, c.name FROM users u JOIN countries c ON c.code = u.country ORDER BY c.name, u.id
!SELECT id FROM users ORDER BY CASE WHEN active THEN 1 ELSE 0 END, id
!SELECT id FROM users ORDER BY level IS NULL, level, id
!SELECT id, name FROM users WHERE id = 7 OR id = 8 ORDER BY id DESC LIMIT 1
!SELECT * FROM (SELECT id FROM users ORDER BY id LIMIT 3) s ORDER BY id DESC
SELECT count(*) FROM (SELECT id FROM users ORDER BY id LIMIT 3) s
!(SELECT id FROM users ORDER BY id LIMIT 2) UNION ALL (SELECT id FROM users ORDER BY id DESC LIMIT 2) ORDER BY 1
SELECT id FROM users LIMIT 0
SELECT count(*) FROM users LIMIT 1
!SELECT id FROM users ORDER BY id USING >
!SELECT name FROM users ORDER BY id
!SELECT id + 1 FROM users WHERE id BETWEEN 0 AND 10 ORDER BY 1 DESC
!SELECT DISTINCT level FROM users ORDER BY level
!SELECT DISTINCT level FROM users ORDER BY level DESC LIMIT 2
!SELECT DISTINCT ON (level) level, id FROM users ORDER BY level, id
!SELECT DISTINCT ON (user_id) user_id, id, total FROM orders ORDER BY user_id, total DESC NULLS LAST, id

-- An aggregate belongs to the block of its columns, also when it is written in a subquery.
SELECT (SELECT count(u.id)) FROM users u
SELECT (SELECT sum(u.level)) FROM users u LIMIT 1
!SELECT (SELECT count(u.id)) FROM users u ORDER BY 1
SELECT DISTINCT (SELECT max(level)) FROM users
SELECT EXISTS (SELECT 1 HAVING count(u.id) > 3) FROM users u
SELECT EXISTS (VALUES (count(u.id))) FROM users u
SELECT (SELECT 1 WHERE count(u.id) > 3) FROM users u
SELECT (SELECT max(c.population) FROM countries c WHERE c.code = max(u.country)) FROM users u
SELECT (SELECT (SELECT count(u.id))) FROM users u
SELECT 1 + (SELECT min(u.id) FROM (SELECT 1 AS x) s) FROM users u
SELECT (SELECT sum(level) FROM generate_series(1, 1) g) FROM users
SELECT user_id, (SELECT sum(o.qty)) FROM orders o GROUP BY user_id
SELECT u.id, (SELECT (SELECT sum(o.qty)) FROM orders o WHERE o.user_id = u.id) FROM users u
SELECT u.id, (SELECT sum(o.qty + u.level) FROM orders o WHERE o.user_id = u.id) FROM users u
SELECT country, (SELECT sum(u.level) + max(c.population) FROM countries c) FROM users u GROUP BY country
SELECT 'x' FROM users u ORDER BY (SELECT count(u.id))
SELECT count(*) FROM (SELECT (SELECT count(u.id)) FROM users u) x
SELECT id FROM users u WHERE (SELECT count(u.id)) > 1
-- Parentheses and comments around aggregates.
SELECT (avg(level)) FROM users
SELECT (avg(level))::numeric(10, 2), (sum(level)), (count(*)) FROM users
SELECT ((avg(score))), -(avg(level)), (avg(DISTINCT level)) FROM users
SELECT ( avg ( id ) FILTER (WHERE level > 1) ), (avg(DISTINCT id)) FROM users
SELECT avg /* ( */ (level), "avg"(level), pg_catalog.avg(ALL level) FROM users
SELECT country, round((avg(level)), 2), (max(level) + (min(level))) FROM users GROUP BY country HAVING (avg(level)) > 1
-- Values that are equal and look different, in an order of theirs.
!SELECT score, count(*) FROM users GROUP BY score ORDER BY score
!SELECT DISTINCT score FROM users ORDER BY score DESC
!SELECT score, level, count(*) FROM users GROUP BY score, level ORDER BY level, score
!SELECT span, count(*) FROM kinds GROUP BY span ORDER BY span
!SELECT plain, count(*) FROM kinds GROUP BY plain ORDER BY plain LIMIT 20
-- Digits that depend on the order of the rows, beside a primary key that is grouped by.
SELECT u.id, u.name, sum(u.ratio * o.qty), corr(u.ratio, o.qty) FROM users u JOIN orders o ON o.qty = u.level GROUP BY u.id
SELECT device, day, sum(value) FROM readings r JOIN users u ON u.level > 1 GROUP BY 1, 2
SELECT device, avg(value), regr_slope(value, device), var_pop(value) FROM readings GROUP BY 1

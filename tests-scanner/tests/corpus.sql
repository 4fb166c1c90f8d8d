SELECT a, "B", t.*, count(*) FROM s.t AS x WHERE a <> 1 AND b != -2.5e-3 OR c @> '{1}' -- tail
----
INSERT INTO t (a, b) VALUES (1, 'it''s'), ($1, E'\n\x41\u00e9'), (0x1F, 1_000) ON CONFLICT (a) DO UPDATE SET b = excluded.b RETURNING *
----
CREATE FUNCTION f(a int) RETURNS int LANGUAGE plpgsql AS $body$ BEGIN RETURN $1 || $$x$$; END $body$
----
SELECT 'a'
  'b', U&'d\0061t' UESCAPE '!', U&"d\0061t", N'x', B'01', X'1f', $tag$ $other$ $tag$
----
SELECT 1..10, a:=1, b=>2, c::int[], d->>'e', f#>>'{}', g@-1, h*-1, i<=-1, j>=+1, k- -1, l/*c/*n*/*/+m
----
SELECT .5, 5., 1e10, 1.5E+3, 2147483647, 2147483648, 99999999999999999999
----
WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT * FROM r LIMIT 10 OFFSET 5
----
UPDATE t SET a = a + 1, b = DEFAULT WHERE CURRENT OF c; DELETE FROM ONLY t* USING u;
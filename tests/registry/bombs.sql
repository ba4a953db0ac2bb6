-- Queries that mean harm to the server: each is refused, or ended within its limits, and the next one is answered.
-- One a line, after what is said of it.

-- refused: can't be interrupted
SELECT repeat('x', 1000000000)
SELECT length(repeat(repeat('x', 1000000), 100000))
SELECT lpad('x', 2000000000, 'y')
SELECT rpad('', 1000000000, 'x') FROM range(10000)
SELECT printf('%1000000000d', 1)
SELECT format('{:1000000000}', 1)
SELECT bar(1, 0, 1, 1000000000)
SELECT md5(repeat('a', 1000000000))
SELECT levenshtein(a.target, b.target) FROM calls a, calls b
SELECT damerau_levenshtein(target, target) FROM calls
SELECT jaro_winkler_similarity(target, target) FROM calls
SELECT jaro_similarity(target, target) FROM calls
SELECT range(1000000000)
SELECT len(range(3000000000))
SELECT generate_series(1, 100000000000)
SELECT unnest(range(1000000000))
SELECT list_sort(range(100000000))
SELECT to_json(range(100000000))
SELECT [x FOR x IN range(1000000000)]
SELECT list_transform(range(1000000000), lambda x: x)
SELECT list_distinct(list(i)) FROM range(20000000) r(i)
SELECT list_unique(list(i)) FROM range(20000000) r(i)
SELECT list_intersect(list(i), list(i)) FROM range(20000000) r(i)
SELECT list_has_any(list(i), [-1]) FROM range(20000000) r(i)
SELECT list(i) && [-1] FROM range(20000000) r(i)
SELECT list(i) @> list(i) FROM range(20000000) r(i)
SELECT map(list(i), list(i)) FROM range(20000000) r(i)
SELECT regexp_extract_all(list(i)::VARCHAR, '[0-9]') FROM range(20000000) r(i)
SELECT nfc_normalize(string_agg(chr(789) || chr(769), '')) IS NULL FROM range(1000000)
SELECT parse_path(string_agg('a', '/')) FROM range(1000000)
SELECT parse_filename(string_agg('a', '/')) FROM range(1000000)
SELECT json_merge_patch(x, x) FROM (SELECT json_group_object(i, i) x FROM range(100000) r(i))
SELECT json_merge_patch_diff(x, x) FROM (SELECT json_group_object(i, i) x FROM range(100000) r(i))
SELECT json_deep_merge(x, x) FROM (SELECT json_group_object(i, i) x FROM range(100000) r(i))
SELECT replace(target, 'f', string_agg(call::VARCHAR, '')) FROM calls GROUP BY target
SELECT regexp_replace(target, 'f', repeat_of, 'g') FROM calls, (SELECT string_agg('x', '') AS repeat_of FROM range(9))
SELECT regexp_matches(target, string_agg(call::VARCHAR, '|')) FROM calls GROUP BY target
SELECT target ~ any_value(function) FROM calls GROUP BY target
SELECT list_aggregate([1], string_agg('x', '')) FROM calls
SELECT list_aggregate([1], 'repeat')
SELECT list_aggregate(list(1), 'string_agg' || target) FROM calls GROUP BY target
SELECT timezone(string_agg('x', ''), now()) FROM calls
SELECT make_timestamptz(1, 1, 1, 1, 1, 1, string_agg('x', '')) FROM calls
SELECT 'a' COLLATE nfc = 'b'
SELECT main.repeat('x', 1000000000)
SELECT "RePeAt"('x', 1000000000)
SELECT 'x'.repeat(1000000000)

-- ended: was ended after
SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000000) c
SELECT sum(x) FROM generate_series(1, 1000000000000) t(x)
SELECT count(*) FROM calls a, calls b, calls c, calls d, range(1000000) e, range(1000000) f
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r
SELECT count(DISTINCT x) FROM range(1000000000) t(x)
SELECT quantile_cont(x, 0.5) FROM range(1000000000) t(x)
SELECT row_number() OVER (ORDER BY hash(x)) FROM range(1000000000) t(x)
SELECT * FROM range(10000000000) t(x) ORDER BY hash(x)
SELECT sleep_ms(600000)

-- ended: was ended after|needs more memory
SELECT list(x) FROM range(1000000000) t(x)
SELECT string_agg(x::VARCHAR, ',') FROM range(1000000000) t(x)
WITH RECURSIVE r(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM r) SELECT max(length(s)) FROM r
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r, range(2)) SELECT count(*) FROM r

-- ended: MiB, the limit|was ended after
SELECT string_agg(x::VARCHAR, ',') FROM range(4000000) t(x)
SELECT list(x::VARCHAR) FROM range(4000000) t(x)

-- refused: times of a part, and may
SELECT regexp_matches(target, '(a|aa|aaa){1,1000}b') FROM calls
SELECT regexp_full_match(target, '((a{1,30}){1,30})*b') FROM calls
SELECT target SIMILAR TO '(a|aa){101}' FROM calls

-- refused: is not for queries of users
SELECT (string_agg('[', '') || string_agg(']', ''))::JSON::VARIANT IS NULL FROM range(100000)
SELECT TRY_CAST(target AS VARIANT[]) FROM calls
SELECT target::"VaRiAnT" FROM calls
SELECT target::main.variant FROM calls
SELECT target::system.main.variant FROM calls
SELECT cast_to_type(target, make_type('VARIANT')) FROM calls
SELECT make_type(string_agg('x', '')) FROM calls
SELECT CAST(target AS STRUCT(a VARIANT)) FROM calls
SELECT string_agg('9', '')::BIGNUM FROM range(1000000)
SELECT json_contains(x, x) FROM (SELECT string_agg('{"a":', '') || '1' || string_agg('}', '') x FROM range(100000))
SELECT from_json('{}', string_agg('[', '') || string_agg(']', '')) FROM range(100000)
SELECT json_transform_strict('{}', string_agg('[', '') || string_agg(']', '')) FROM range(100000)
SELECT reservoir_quantile(x, 0.5, 2000000000) FROM range(3) r(x)
SELECT list_aggregate([1], 'reservoir_quantile', 0.5, 2000000000)
SELECT variant_typeof(target) FROM calls

-- refused: columns, and may have
SELECT *, *, *, *, *, * FROM (SELECT *, *, *, *, *, * FROM (SELECT *, *, *, *, *, * FROM calls))
WITH a AS (SELECT * FROM calls), b AS (SELECT * FROM a x, a y), c AS (SELECT * FROM b x, b y), d AS (SELECT * FROM c x, c y), e AS (SELECT * FROM d x, d y), f AS (SELECT * FROM e x, e y), g AS (SELECT * FROM f x, f y) SELECT count(*) FROM g x, g y
SELECT count(*) FROM (SELECT COLUMNS(*), COLUMNS(*), COLUMNS(*), * FROM (SELECT COLUMNS(*), COLUMNS(*), COLUMNS(*), * FROM (SELECT *, *, *, *, * FROM calls)))

-- ended: needs more memory|was ended after
SELECT max(length(s || n)) FROM (SELECT string_agg('xxxxxxxxxx', '') s FROM range(1000000)), range(9999) t(n)
SELECT max(length(concat_ws(',', s, n))) FROM (SELECT string_agg('xxxxxxxxxx', '') s FROM range(1000000)), range(9999) t(n)
SELECT max(length(hex(s || n))) FROM (SELECT string_agg('xxxxxxxxxx', '') s FROM range(1000000)), range(9999) t(n)
SELECT sum(len(list_concat(l, [n]))) FROM (SELECT list(r) l FROM range(1000000) t(r)), range(9999) u(n)
SELECT max(length(flatten([l, l, l, [n]])::VARCHAR)) FROM (SELECT list(r) l FROM range(1000000) t(r)), range(9999) u(n)
SELECT max(length(json_array(s, n)::VARCHAR)) FROM (SELECT string_agg('xxxxxxxxxx', '') s FROM range(1000000)), range(9999) t(n)

-- ended: has over 2 MiB|needs more memory|was ended after
SELECT list(x) FROM range(3000000) t(x)
SELECT list({'a': x, 'b': [x]}) FROM range(1000000) t(x)
SELECT {'a': list(x)} FROM range(1000000) t(x)
SELECT histogram(x) FROM range(300000) t(x)

-- ended: has over 16 MiB|needs more memory|was ended after
SELECT string_agg('xxxxxxxxxx', '') FROM range(2000000) t(x)

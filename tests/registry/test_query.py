"""A user's SQL sees its team's rows and nothing else: no table, file, setting or secret; and it ends at its limits."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas.errors import QueryError
from rayfaas.registry.database import Database
from rayfaas.registry.query import VIEWS, Queries, QueryLimits, QueryResult
from rayfaas.registry.registry import Registry
from rayfaas.spec import Scaling
from tests.registry.builders import empty, ended, line, publish, segment, settled, spawned, started

Ask = Callable[..., QueryResult]

TEAMS = ("red", "redder", "blue")


@pytest.fixture(scope="module")
def registry(opened_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Each team has called its own function `f` and those of the two others; each has tokens, logs and versions."""
    empty(opened_database)
    journal = tmp_path_factory.mktemp("journal")
    registry = Registry(opened_database, journal, QueryLimits())
    for owner in TEAMS:
        registry.access.create_token(owner, owner, "admin", "root", None)
        registry.access.create_join_token(owner, "root")
        registry.catalog.publish(owner, "f", publish(owner), owner, "e1")
        registry.catalog.activate(owner, "f", 1, None, "live", owner, "deploy", {}, Scaling())
        for team in TEAMS:
            names = {"owner": owner, "team": team, "principal": team, "function": f"{owner}/f"}
            call = started(**names)
            kept = spawned(**{name: value for name, value in names.items() if name != "owner"})
            text = line(f"{team} called {owner}", call=call.call, function=f"{owner}/f")
            segment(journal, call, text, ended(call), kept, settled(kept))
    registry.access.use_join_token(registry.access.create_join_token("lab", "root")[0])
    registry.load_journal()
    return registry


@pytest.fixture(scope="module")
def ask(registry: Registry, opened_database: Database) -> Ask:
    """Ask as a team, with limits of the test's own."""

    def ask(
        sql: str, *parameters: Any, team: str | None = "red", rows: int = 10_000, seconds: float = 30
    ) -> QueryResult:
        return Queries(opened_database, QueryLimits(rows, seconds=seconds)).query(sql, parameters, team)

    return ask


# What a team sees


@pytest.mark.parametrize("view", ["calls", "spawned"])
@pytest.mark.parametrize("team", TEAMS)
def test_a_team_sees_its_own_calls_and_those_of_its_functions(ask: Ask, view: str, team: str) -> None:
    seen = {(caller, owner) for caller, owner in ask(f"SELECT team, owner FROM {view}", team=team).rows}
    assert seen == {(caller, owner) for caller in TEAMS for owner in TEAMS if team in (caller, owner)}


@pytest.mark.parametrize("team", TEAMS)
def test_a_team_sees_the_logs_of_its_own_functions_only(ask: Ask, team: str) -> None:
    seen = {text for (text,) in ask("SELECT text FROM logs", team=team).rows}
    assert seen == {f"{caller} called {team}" for caller in TEAMS}


@pytest.mark.parametrize(("view", "rows"), [("calls", 9), ("spawned", 9), ("logs", 9), ("functions", 3), ("audit", 14)])
def test_who_asks_for_no_team_sees_all(ask: Ask, view: str, rows: int) -> None:
    assert ask(f"SELECT count(*) FROM {view}", team=None).rows == [[rows]]


def test_a_team_sees_no_audit(ask: Ask) -> None:
    assert ask("SELECT * FROM audit").rows == []


@pytest.mark.parametrize(
    "team", ["", "re", "r%", "RED", "red ", "' OR ''='", "red'--", "{team}", "NULL", "\0", "x" * 9999]
)
def test_a_team_without_calls_sees_none_whatever_it_is_called(ask: Ask, team: str) -> None:
    counts = "SELECT (SELECT count(*) FROM calls), (SELECT count(*) FROM spawned), (SELECT count(*) FROM logs)"
    assert ask(counts, team=team).rows == [[0, 0, 0]]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM calls WHERE true OR team = 'blue'",
        "SELECT count(*) FROM (SELECT * FROM calls UNION ALL SELECT * FROM calls) WHERE owner = team",
        "SELECT count(*) FROM calls a JOIN calls b ON true WHERE a.team = 'blue' AND a.owner = 'blue'",
        "WITH everything AS (SELECT * FROM calls) SELECT count(*) FROM everything WHERE 'red' NOT IN (team, owner)",
        "SELECT count(*) FROM calls WHERE team IN (SELECT team FROM functions) AND 'red' NOT IN (team, owner)",
    ],
)
def test_no_condition_widens_what_a_team_sees(ask: Ask, sql: str) -> None:
    assert ask(sql).rows[0][0] in (0, 2, 5)
    assert ask(sql).rows != ask(sql, team=None).rows


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_can_be_read_and_described(ask: Ask, view: str) -> None:
    columns = [name for name, _ in ask(f"SELECT * FROM {view}", team=None).columns]
    assert [row[0] for row in ask(f"DESCRIBE {view}").rows] == columns
    assert len(set(columns)) == len(columns)


# What nobody may do

FORBIDDEN = """
SELECT * FROM store.tokens
SELECT * FROM STORE.TOKENS
SELECT * FROM "store"."tokens"
SELECT * FROM store."join_tokens"
SELECT * FROM registry.store.sessions
SELECT * FROM tokens
SELECT * FROM sessions
SELECT * FROM open_calls
SELECT * FROM all_calls
SELECT * FROM store.calls
SELECT * FROM store.all_calls
SELECT * FROM temp.calls
SELECT * FROM temp.main.calls
SELECT * FROM main.calls
TABLE store.tokens
FROM store.tokens
FROM store.tokens SELECT digest
SELECT (SELECT max(digest) FROM store.tokens)
SELECT 1 WHERE EXISTS (FROM store.tokens)
SELECT 1 WHERE 'x' IN (SELECT digest FROM store.tokens)
SELECT ARRAY(SELECT digest FROM store.tokens)
SELECT [x FOR x IN (SELECT list(digest) FROM store.tokens)]
SELECT list_transform([1], x -> (SELECT max(digest) FROM store.tokens))
SELECT unnest((SELECT list(digest) FROM store.tokens))
SELECT CASE WHEN true THEN (SELECT max(digest) FROM store.tokens) END
SELECT count(*) FILTER (WHERE (SELECT true FROM store.tokens)) FROM calls
SELECT sum(1) OVER (ORDER BY (SELECT max(digest) FROM store.tokens)) FROM calls
SELECT count(*) FROM calls GROUP BY (SELECT max(digest) FROM store.tokens)
SELECT 1 FROM calls HAVING (SELECT true FROM store.tokens)
SELECT 1 QUALIFY (SELECT true FROM store.tokens)
SELECT 1 ORDER BY (SELECT max(digest) FROM store.tokens)
SELECT 1 LIMIT (SELECT count(*) FROM store.tokens)
SELECT 1 OFFSET (SELECT count(*) FROM store.tokens)
SELECT DISTINCT ON ((SELECT max(digest) FROM store.tokens)) 1
SELECT * FROM calls, store.tokens
SELECT * FROM calls JOIN store.tokens ON true
SELECT * FROM calls JOIN logs ON (SELECT true FROM store.tokens)
SELECT * FROM calls NATURAL JOIN store.tokens
SELECT * FROM calls SEMI JOIN store.tokens ON true
SELECT * FROM calls POSITIONAL JOIN store.tokens
SELECT * FROM calls ASOF JOIN store.tokens ON calls.ended_at > tokens.created_us
SELECT * FROM calls, LATERAL (SELECT * FROM store.tokens)
SELECT * FROM (VALUES ((SELECT max(digest) FROM store.tokens)))
SELECT * FROM range((SELECT count(*) FROM store.tokens))
SELECT * FROM unnest((SELECT list(digest) FROM store.tokens))
SELECT 1 UNION SELECT digest FROM store.tokens
SELECT 1 EXCEPT SELECT digest FROM store.tokens
SELECT 1 INTERSECT (SELECT digest FROM store.tokens)
WITH x AS (SELECT * FROM store.tokens) SELECT * FROM x
WITH x AS MATERIALIZED (SELECT * FROM store.tokens) SELECT * FROM x
WITH x AS (WITH y AS (SELECT * FROM store.tokens) SELECT * FROM y) SELECT * FROM x
WITH store AS (SELECT 1) SELECT * FROM store.tokens
WITH tokens AS (SELECT 1) SELECT * FROM store.tokens
WITH "store.tokens" AS (SELECT 1) SELECT * FROM store.tokens
WITH RECURSIVE r AS (SELECT digest FROM store.tokens UNION ALL SELECT * FROM r) SELECT * FROM r
WITH RECURSIVE r AS (SELECT 'a' UNION ALL SELECT digest FROM r, store.tokens) SELECT * FROM r
FROM (PIVOT store.tokens ON role USING count(*))
FROM (UNPIVOT store.tokens ON role)
PIVOT store.tokens ON role
DESCRIBE store.tokens
DESC store.tokens
SUMMARIZE store.tokens
SELECT * FROM (DESCRIBE store.tokens)
SELECT * FROM (SUMMARIZE store.tokens)
SHOW TABLES
SHOW ALL TABLES
SHOW DATABASES
SELECT * FROM (SHOW TABLES)
SELECT * FROM (SHOW ALL TABLES)
FROM query('SELECT * FROM store.tokens')
FROM query_table('store.tokens')
FROM query_table(['store.tokens'])
FROM histogram_values(store.tokens, digest)
FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM store.tokens'))
SELECT * FROM information_schema.tables
SELECT * FROM pg_catalog.pg_class
SELECT * FROM system.main.duckdb_tables
SELECT * FROM sqlite_schema
SELECT * FROM read_text('/etc/passwd')
SELECT * FROM read_blob('/etc/passwd')
SELECT * FROM read_csv('/etc/passwd')
SELECT * FROM read_json('{database}')
SELECT * FROM read_text('{database}')
SELECT * FROM read_text('{staging}')
SELECT * FROM main.read_text('/etc/passwd')
SELECT * FROM parquet_scan('/etc/passwd')
SELECT * FROM glob('/etc/*')
SELECT * FROM sniff_csv('/etc/passwd')
SELECT * FROM '/etc/passwd'
SELECT * FROM '/etc/passwd.csv'
SELECT * FROM "/tmp/x.parquet"
SELECT * FROM '{database}'
SELECT * FROM '{staging}'
SELECT * FROM 'https://example.com/x.csv'
SELECT * FROM 's3://bucket/x.parquet'
WITH "/etc/passwd.csv" AS (SELECT * FROM "/etc/passwd.csv") SELECT * FROM "/etc/passwd.csv"
SELECT getenv('HOME')
SELECT GetEnv('HOME')
SELECT "getenv"('HOME')
SELECT main.getenv('HOME')
SELECT system.main.getenv('HOME')
SELECT 'HOME'.getenv()
SELECT/**/getenv/**/('HOME')
SELECT list_transform(['HOME'], x -> getenv(x))
SELECT * FROM range(length(getenv('HOME')))
SELECT 1 ORDER BY getenv('HOME')
SELECT current_setting('allowed_paths')
SELECT 'secret_directory'.current_setting()
SELECT getvariable('x')
SELECT nextval('x')
SELECT currval('x')
SELECT write_log('x')
SET threads = 1
SET VARIABLE x = 1
SET GLOBAL enable_external_access = true
RESET threads
PRAGMA database_list
PRAGMA version
CALL pragma_version()
ATTACH ':memory:' AS other
ATTACH '{database}' AS other
DETACH registry
USE store
COPY (SELECT 1) TO '/tmp/out.csv'
COPY store.tokens TO '/tmp/out.csv'
COPY store.bundles FROM '/etc/passwd'
EXPORT DATABASE '/tmp/export'
IMPORT DATABASE '/tmp/export'
INSTALL httpfs
LOAD httpfs
CREATE TABLE x (a INTEGER)
CREATE TEMP TABLE x AS SELECT 1
CREATE OR REPLACE VIEW calls AS SELECT 1
CREATE MACRO team() AS 'blue'
CREATE SECRET (TYPE s3)
INSERT INTO store.bundles VALUES ('a', 1, 1, 'a')
UPDATE store.tokens SET role = 'admin'
DELETE FROM store.tokens
MERGE INTO store.tokens USING calls ON false WHEN NOT MATCHED THEN INSERT VALUES (1)
DROP TABLE store.tokens
TRUNCATE store.tokens
ALTER TABLE store.tokens ADD COLUMN x INTEGER
COMMENT ON TABLE store.tokens IS 'x'
WITH x AS (DELETE FROM store.tokens RETURNING *) SELECT * FROM x
WITH x AS (INSERT INTO store.bundles VALUES ('a', 1, 1, 'a') RETURNING *) SELECT * FROM x
WITH x AS (UPDATE store.tokens SET role = 'admin' RETURNING *) SELECT * FROM x
SELECT * FROM (DELETE FROM store.tokens RETURNING *)
BEGIN
COMMIT
ROLLBACK
CHECKPOINT
FORCE CHECKPOINT
VACUUM
ANALYZE
PREPARE a AS SELECT 1
EXECUTE a
DEALLOCATE a
EXPLAIN SELECT * FROM store.tokens
EXPLAIN ANALYZE SELECT * FROM calls
SELECT 1; SELECT 2
SELECT 1; DROP TABLE store.tokens
COMMIT; DROP TABLE store.tokens
SELECT 1;; DELETE FROM store.tokens
""".strip().splitlines()


@pytest.fixture(scope="module")
def contents(registry: Registry, opened_database: Database) -> Callable[[], list[Any]]:
    return lambda: [opened_database.run(f"SELECT * FROM store.{t}") for t in ("tokens", "join_tokens", "bundles")]


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_not_even_an_admin_may_ask(
    ask: Ask, opened_database: Database, contents: Callable[[], list[Any]], sql: str
) -> None:
    before = contents()
    staging = opened_database.staging
    asked = sql.replace("{database}", str(staging.with_name("registry.duckdb"))).replace("{staging}", str(staging))
    with pytest.raises(QueryError):
        ask(asked, team=None)
    assert contents() == before


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("DELETE FROM calls", "Only a SELECT can be asked: queries read, and change nothing"),
        ("COPY calls TO '/tmp/out.csv'", "Only a SELECT can be asked"),
        ("SELEC 1", 'does not parse: syntax error at or near "SELEC"'),
        ("SELECT 1; SELECT 2", "One SELECT at a time"),
    ],
)
def test_what_is_no_select_is_told_in_words_of_the_one_who_asked(ask: Ask, sql: str, told: str) -> None:
    with pytest.raises(QueryError, match=told):
        ask(sql)


def catalog_of(duckdb_question: str) -> list[str]:
    with duckdb.connect() as connection:
        return sorted({str(name) for (name,) in connection.execute(duckdb_question).fetchall()})


def test_no_table_function_but_the_harmless_ones_is_for_users(ask: Ask) -> None:
    names = catalog_of("SELECT function_name FROM duckdb_functions() WHERE function_type LIKE 'table%'")
    assert len(names) > 80
    for name in set(names) - {"range", "generate_series", "unnest"}:
        for spelling in (name.upper(), f'system.main."{name}"'):
            with pytest.raises(QueryError, match="is not for queries of users"):
                ask(f"SELECT * FROM {spelling}()")


def test_no_system_view_is_for_users(ask: Ask) -> None:
    names = catalog_of("SELECT view_name FROM duckdb_views()")
    assert len(names) > 30
    for name in names:
        for spelling in (f'"{name}"', f'main."{name}"', f'pg_catalog."{name}"', f'information_schema."{name}"'):
            with pytest.raises(QueryError, match="There is no table"):
                ask(f"SELECT * FROM {spelling}")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM (WITH {view} AS (SELECT 1) SELECT * FROM {view}), {view}",
        "SELECT (WITH {view} AS (SELECT 1) SELECT * FROM {view}), (SELECT count(*) FROM {view})",
        "WITH {view} AS (SELECT * FROM {view}) SELECT * FROM {view}",
        "WITH a AS (SELECT * FROM {view}), {view} AS (SELECT 1) SELECT * FROM a",
        "WITH RECURSIVE {view} AS (SELECT 1 FROM {view} UNION ALL SELECT 2 FROM {view}) FROM {view}",
        'WITH "duc\u212adb_views" AS (SELECT 1) SELECT * FROM {view}',
    ],
)
def test_a_name_that_with_gives_does_not_lead_to_a_system_view_of_the_same_name(ask: Ask, sql: str) -> None:
    with pytest.raises(QueryError, match="There is no table duckdb_views"):
        ask(sql.format(view="duckdb_views"))


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("WITH duckdb_views AS (SELECT 1) SELECT * FROM (SELECT * FROM duckdb_views)", [[1]]),
        ("WITH a AS (SELECT 1 AS x), B AS (FROM A) SELECT * FROM b, a WHERE EXISTS (FROM a)", [[1, 1]]),
        (
            "WITH RECURSIVE a AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM a WHERE x < 3) FROM a ORDER BY 1",
            [[1], [2], [3]],
        ),
        ("WITH calls AS (SELECT DISTINCT team FROM calls WHERE team = 'red') FROM calls", [["red"]]),
    ],
)
def test_with_names_what_comes_after_it(ask: Ask, sql: str, rows: list[list[Any]]) -> None:
    assert ask(sql).rows == rows


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT stats(function) FROM functions",  # of all rows of the table, those that the view leaves out too
        "SELECT pg_get_viewdef(range::INTEGER) FROM range(100)",  # what a view leaves out is written in it
        "SELECT json_serialize_plan('SELECT * FROM store.tokens')",
        "SELECT finalize(sum(version) EXPORT_STATE) FROM calls",
        "SELECT __internal_barrier(1)",
    ],
)
def test_functions_that_tell_of_more_than_the_views_are_not_for_users(ask: Ask, sql: str) -> None:
    with pytest.raises(QueryError, match="is not for queries of users"):
        ask(sql)


def test_no_table_of_ours_is_for_users(ask: Ask, opened_database: Database) -> None:
    names = [row["name"] for row in opened_database.run("SELECT table_name AS name FROM duckdb_tables()")]
    assert len(names) > 10
    for name in names:
        with pytest.raises(QueryError):
            ask(f"SELECT * FROM store.{name}")
        if name not in VIEWS:
            with pytest.raises(QueryError):
                ask(f"SELECT * FROM {name}")


def test_the_complaint_about_a_table_names_those_that_there_are_and_none_of_ours(ask: Ask) -> None:
    with pytest.raises(
        QueryError, match=r"There is no table toknes\. There are: calls, spawned, logs, arguments, functions"
    ):
        ask("SELECT * FROM toknes")
    with pytest.raises(QueryError) as refused:
        ask("SELECT * FROM (WITH tokens AS (SELECT 1) SELECT * FROM tokens), tokens")
    assert "store" not in str(refused.value)


@pytest.mark.parametrize(
    "sql", ["", ";", " \n", "-- nothing", "/* nothing */", "SELECT", "\0", "nonsense", "SELECT (", "😀"]
)
def test_what_is_no_query_is_refused(ask: Ask, sql: str) -> None:
    with pytest.raises(QueryError):
        ask(sql)


@given(sql=st.text(max_size=40) | st.text(alphabet="SELECT*FROM calls;'\"()-\n\0", max_size=40))
@settings(max_examples=40)
def test_any_text_is_answered_or_refused(opened_database: Database, sql: str) -> None:
    try:
        Queries(opened_database, QueryLimits()).query(sql, [], "red")
    except QueryError:
        pass  # what else may come of it is an error of ours


# What may be asked


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT 1", [[1]]),
        ("SELECT 1;", [[1]]),
        ("/* a */ SELECT 1 -- b", [[1]]),
        ("VALUES (1), (2)", [[1], [2]]),
        ("FROM range(3)", [[0], [1], [2]]),
        ("SELECT unnest([1, 2])", [[1], [2]]),
        ("SELECT count(*) FROM Calls, \"LOGS\"", [[15]]),
        ("WITH calls AS (SELECT 1 AS x) SELECT x FROM calls", [[1]]),
        ("WITH Tokens AS (SELECT 1 AS x) SELECT x FROM TOKENS", [[1]]),
        ("WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS x FROM a) SELECT * FROM b", [[2]]),
        ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 2) SELECT * FROM r", [[1], [2]]),
        ("SELECT count(*) FROM calls WHERE team = (SELECT min(team) FROM calls)", [[1]]),
        ("SELECT store FROM (SELECT 'store.tokens' AS store)", [["store.tokens"]]),
        ("SELECT 'DROP TABLE store.tokens; --'", [["DROP TABLE store.tokens; --"]]),
        ("SELECT state, count(*) FROM calls GROUP BY ALL", [["SUCCEEDED", 5]]),
        ("SELECT c.owner FROM calls c JOIN functions f USING (function) WHERE c.team <> 'red'", [["red"]] * 2),
    ],
)  # fmt: skip
def test_one_select_is_answered(ask: Ask, sql: str, rows: list[list[Any]]) -> None:
    assert ask(sql).rows == rows


@pytest.mark.parametrize(
    "value", ["it's", "'; DROP TABLE store.tokens; --", "a\0b", 5, -1, 2**64, 1.5, True, None, [1, 2]]
)
def test_a_parameter_is_a_value_and_never_sql(ask: Ask, value: Any) -> None:
    (answered,) = ask("SELECT ?", value).rows[0]
    assert answered == (str(value) if value == 2**64 else value)


@pytest.mark.parametrize(
    ("sql", "parameters"), [("SELECT ?", []), ("SELECT 1", [1]), ("SELECT ?", [2**200]), ("SELECT ?", ["\ud800"])]
)
def test_parameters_that_do_not_fit_are_refused(ask: Ask, sql: str, parameters: list[Any]) -> None:
    with pytest.raises(QueryError):
        ask(sql, *parameters)


@pytest.mark.parametrize(
    "sql", ["SELECT nope FROM calls", "SELECT 'abc'::INTEGER", "SELECT error('boom')", "SELECT 1 + 'a'"]
)
def test_a_query_that_fails_is_the_askers_error_with_duckdbs_words(ask: Ask, sql: str) -> None:
    with pytest.raises(QueryError, match=r"nope|abc|boom|'a'"):
        ask(sql)
    assert ask("SELECT 1").rows == [[1]]


def test_two_columns_of_one_name_are_two_columns(ask: Ask) -> None:
    answer = ask("SELECT 1 AS a, 'x' AS a")
    assert (answer.columns, answer.rows) == ([("a", "INTEGER"), ("a", "VARCHAR")], [[1, "x"]])


AS_JSON: list[tuple[str, Any]] = [
    ("NULL", None),
    ("true", True),
    ("1.10::DECIMAL(10, 2)", 1.1),
    ("'NaN'::DOUBLE", None),
    ("'-inf'::FLOAT", None),
    ("['NaN'::DOUBLE, 1.5]", [None, 1.5]),
    ("{'a': 'inf'::DOUBLE, 'b': [{'c': 1}]}", {"a": None, "b": [{"c": 1}]}),
    ("18446744073709551615::UBIGINT", 18446744073709551615),
    ("(-9223372036854775808)::BIGINT", -9223372036854775808),
    ("18446744073709551616::HUGEINT", "18446744073709551616"),
    ("(-9223372036854775809)::HUGEINT", "-9223372036854775809"),
    ("'0188a5ee-7c3a-7000-8000-000000000001'::UUID", "0188a5ee-7c3a-7000-8000-000000000001"),
    ("TIMESTAMP '2024-02-29 12:00:00.5'", "2024-02-29T12:00:00.500000+00:00"),
    ("TIMESTAMPTZ '2024-02-29 12:00:00+05:30'", "2024-02-29T06:30:00+00:00"),
    ("[TIMESTAMP '2024-02-29 12:00:00']", ["2024-02-29T12:00:00+00:00"]),
    ("DATE '2024-02-29'", "2024-02-29"),
    ("TIME '12:00:00'", "12:00:00"),
    ("INTERVAL '90' SECOND", 90.0),
    ("DATE '5000000-01-01'", "5000000-01-01"),
    ("TIME '24:00:00'", "24:00:00"),
    ("MAP {1: 'a', 2: 'b'}", {"1": "a", "2": "b"}),
    ("MAP {'a': [1.5::DECIMAL(4, 2)]}", {"a": [1.5]}),
    ("[1, 2]::INTEGER[2]", [1, 2]),
    ("row(1, 'a')", [1, "a"]),
    ("'a'::ENUM ('a', 'b')", "a"),
    ("'0101'::BIT", "0101"),
    ("'{\"a\": 1}'::JSON", '{"a": 1}'),
    ("union_value(k := 1)", 1),
    ("chr(0) || '😀'", "\0😀"),
    ("[]", []),
]


def test_every_type_comes_as_json_can_carry_it(ask: Ask) -> None:
    (row,) = ask(f"SELECT {', '.join(expression for expression, _ in AS_JSON)}").rows
    assert dict(zip([expression for expression, _ in AS_JSON], row, strict=True)) == dict(AS_JSON)


def test_a_calls_times_are_utc_and_its_durations_in_milliseconds(ask: Ask) -> None:
    answer = ask("SELECT accepted_at, duration_ms FROM calls LIMIT 1")
    assert answer.rows == [["2023-11-14T22:13:20+00:00", 5.0]]
    assert answer.columns == [("accepted_at", "TIMESTAMP"), ("duration_ms", "DOUBLE")]


# Limits


def test_an_answer_has_at_most_as_many_rows_as_the_limit_and_says_so(ask: Ask) -> None:
    exactly, more = ask("FROM range(10)", rows=10), ask("FROM range(11)", rows=10)
    assert (len(exactly.rows), exactly.truncated) == (10, False)
    assert (len(more.rows), more.truncated) == (10, True)


def test_an_endless_answer_is_cut_at_the_limit(ask: Ask) -> None:
    answer = ask("FROM range(1000000000000)", rows=5)
    assert (answer.rows, answer.truncated) == ([[0], [1], [2], [3], [4]], True)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM range(1000000000000)",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
        "SELECT sleep_ms(600000)",
    ],
)
def test_a_query_that_takes_too_long_is_ended_and_the_next_one_is_answered(ask: Ask, sql: str) -> None:
    with pytest.raises(QueryError, match=r"ended after 0\.1 s"):
        ask(sql, seconds=0.1)
    assert ask("SELECT 1").rows == [[1]]


def test_a_query_that_needs_too_much_memory_is_ended_and_the_next_one_is_answered(ask: Ask) -> None:
    with pytest.raises(QueryError, match="more memory"):
        ask("SELECT list(x) FROM range(1000000000) t(x)")
    assert ask("SELECT 1").rows == [[1]]


def test_a_long_query_holds_up_neither_the_writer_nor_other_queries(ask: Ask, registry: Registry) -> None:
    ended: list[str] = []

    def wait() -> None:
        with pytest.raises(QueryError):
            ask("SELECT sleep_ms(600000)", seconds=0.3)
        ended.append("long")

    thread = threading.Thread(target=wait)
    thread.start()
    token_id, _ = registry.access.create_token("eve", "red", "viewer", "root", None)
    registry.access.revoke_token(token_id, "root")
    assert ask("SELECT 1").rows == [[1]]
    ended.append("short")
    thread.join()
    assert ended == ["short", "long"]


def test_queries_of_different_teams_at_once_do_not_see_each_others_rows(ask: Ask) -> None:
    seen: dict[str, set[int]] = {team: set() for team in (*TEAMS, "nobody")}

    def look(team: str) -> None:
        for _ in range(5):
            seen[team].add(ask("SELECT count(*) FROM logs", team=team).rows[0][0])

    threads = [threading.Thread(target=look, args=[team]) for team in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {**{team: {3} for team in TEAMS}, "nobody": {0}}


@given(value=st.floats() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=20) | st.booleans() | st.none())
@settings(max_examples=15)
def test_any_value_comes_back_as_it_was_asked(opened_database: Database, value: Any) -> None:
    (answered,) = Queries(opened_database, QueryLimits()).query("SELECT ?", [value], None).rows[0]
    assert answered == (None if isinstance(value, float) and not math.isfinite(value) else value)

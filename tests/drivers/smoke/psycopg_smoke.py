"""What applications do with psycopg 3. One line per check: its name, a tab, what came of it."""

import datetime
import decimal
import os
import sys
import threading
import time

import psycopg
from psycopg import rows, sql
from psycopg.types.json import Jsonb

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def connect(**options):
    return psycopg.connect("connect_timeout=10", **options)


@check
def simple_and_parameters():
    with connect() as c:
        return c.execute("select %s::int + 1, %s", (1, "x")).fetchall()


@check
def binary_results():
    with connect() as c, c.cursor(binary=True) as cursor:
        cursor.execute("select 1.5::numeric, 'a'::text, %s::date", (datetime.date(2020, 2, 3),))
        return cursor.fetchall(), [d.type_code for d in cursor.description]


@check
def row_factories():
    with connect(row_factory=rows.dict_row) as c:
        first = c.execute("select 1 as a, 'b' as b").fetchone()
        named = c.cursor(row_factory=rows.namedtuple_row).execute("select 2 as n").fetchone()
        return first, named.n


@check
def prepared_after_five():
    with connect(autocommit=True) as c:
        found = [c.execute("select %s::int * 2", (i,)).fetchone()[0] for i in range(12)]
        c.prepared_max = 2
        for i in range(30):
            c.execute(f"select {i % 6}, %s::int", (i,), prepare=True)
        return found, len(c._prepared._names)


@check
def prepared_survives_alter():
    with connect(autocommit=True) as c:
        c.execute("create table reshaped (a int)")
        c.execute("insert into reshaped values (1)")
        for _ in range(3):
            c.execute("select * from reshaped", prepare=True)
        c.execute("alter table reshaped add b int")
        said = []
        for _ in range(3):
            try:
                said.append(c.execute("select * from reshaped", prepare=True).fetchall())
            except psycopg.Error as error:
                said.append(error.sqlstate)
                c.execute("deallocate all")
                c._prepared.clear()
        return said[-1]


@check
def deallocate_by_name():
    with connect(autocommit=True) as c:
        c.execute("select 5", prepare=True)
        name = next(iter(c._prepared._names.values())).decode()
        c.execute(sql.SQL("deallocate {}").format(sql.Identifier(name)))
        try:
            c.execute("select 5", prepare=True)
        except psycopg.Error as error:
            return error.sqlstate


@check
def server_side_cursors():
    with connect() as c:
        with c.cursor("mine") as cursor:
            cursor.execute("select generate_series(1, 500)")
            first = cursor.fetchmany(3)
            cursor.scroll(10)
            rest = len(cursor.fetchall())
        with c.cursor("held", withhold=True) as cursor:
            cursor.execute("select generate_series(1, 5)")
            c.commit()
            held = cursor.fetchall()
        return first, rest, held


@check
def copy_in_and_out():
    with connect() as c:
        c.execute("create table copied (a int, b text, c timestamptz)")
        stamp = datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc)
        with c.cursor().copy("copy copied from stdin") as copy:
            for i in range(1000):
                copy.write_row((i, f"row {i}", stamp))
        with c.cursor().copy("copy copied (a, b, c) from stdin (format binary)") as copy:
            copy.set_types(["int4", "text", "timestamptz"])
            copy.write_row((-1, None, stamp))
        with c.cursor().copy("copy (select a, b from copied order by a limit 3) to stdout") as copy:
            copy.set_types(["int4", "text"])
            out = list(copy.rows())
        try:
            with c.transaction(), c.cursor().copy("copy copied from stdin") as copy:
                copy.write(b"nonsense\n")
        except psycopg.Error as error:
            wrong = error.sqlstate
        try:
            with c.transaction(), c.cursor().copy("copy copied from stdin") as copy:
                copy.write_row((5, "x", stamp))
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        return out, wrong, c.execute("select count(*), max(length(b)) from copied").fetchone()


@check
def pipeline_mode():
    with connect() as c:
        with c.pipeline() as p, c.cursor() as cursor:
            c.execute("create table piped (a int primary key)")
            cursor.executemany("insert into piped values (%s)", [(i,) for i in range(50)])
            p.sync()
            counted = c.execute("select count(*) from piped")
            p.sync()
            count = counted.fetchone()
        c.commit()
        said = None
        try:
            with c.pipeline():
                c.execute("insert into piped values (100)")
                c.execute("insert into piped values (1)")
                c.execute("insert into piped values (101)")
        except psycopg.Error as error:
            said = error.sqlstate
        c.rollback()
        return count, said, c.execute("select count(*) from piped").fetchone()


@check
def executemany_returning():
    with connect() as c, c.cursor() as cursor:
        cursor.execute("create table many (id serial, a int)")
        cursor.executemany("insert into many (a) values (%s) returning id", [(5,), (6,)], returning=True)
        found = []
        while True:
            found.append(cursor.fetchone())
            if not cursor.nextset():
                return found


@check
def savepoints_and_errors():
    with connect() as c:
        c.execute("create table saved (a int unique)")
        with c.transaction():
            c.execute("insert into saved values (1)")
            try:
                with c.transaction():
                    c.execute("insert into saved values (1)")
            except psycopg.errors.UniqueViolation as error:
                constraint = error.diag.constraint_name
            c.execute("insert into saved values (2)")
        return constraint, c.execute("select a from saved order by a").fetchall()


@check
def isolation_and_read_only():
    with connect() as c:
        c.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        c.read_only = True
        level = c.execute("show transaction_isolation").fetchone()
        try:
            c.execute("create table never (a int)")
        except psycopg.Error as error:
            return level, error.sqlstate


@check
def settings_last():
    with connect(autocommit=True, options="-c work_mem=77kB", application_name="smoke") as c:
        c.execute("set timezone = 'Asia/Tokyo'")
        c.execute("set statement_timeout = '77s'")
        found = [c.execute(f"show {s}").fetchone()[0] for s in
                 ("work_mem", "timezone", "statement_timeout", "application_name")]
        return found, c.info.timezone.key, c.info.encoding


@check
def temporary_tables():
    with connect(autocommit=True) as c:
        c.execute("create temp table scratch (a int)")
        c.execute("insert into scratch values (1)")
        return c.execute("select * from scratch").fetchall()


@check
def listen_and_notify():
    with connect(autocommit=True) as listener, connect(autocommit=True) as other:
        listener.execute("listen news")
        other.execute("select pg_notify('news', 'hello')")
        return [(n.channel, n.payload) for n in listener.notifies(timeout=10, stop_after=1)]


@check
def notices():
    with connect() as c:
        heard = []
        c.add_notice_handler(lambda diagnostic: heard.append(diagnostic.message_primary))
        c.execute("do $$ begin raise notice 'one'; raise warning 'two'; end $$")
        return heard


@check
def cancel():
    with connect(autocommit=True) as c:
        timer = threading.Timer(0.3, c.cancel)
        began = time.monotonic()
        timer.start()
        try:
            c.execute("select pg_sleep(20)")
        except psycopg.errors.QueryCanceled as error:
            said = error.sqlstate
        timer.join()
        return said, time.monotonic() - began < 10, c.execute("select 1").fetchone()


@check
def two_phase():
    with connect() as c:
        c.execute("create table phased (a int)")
        c.commit()
        c.tpc_begin(c.xid(1, "smoke", "branch"))
        c.execute("insert into phased values (1)")
        c.tpc_prepare()
        c.tpc_commit()
        c.tpc_begin("second")
        c.execute("insert into phased values (2)")
        c.tpc_prepare()
        with connect() as other:
            left = len(other.tpc_recover())
        c.tpc_rollback()
        return left, c.execute("select a from phased").fetchall()


@check
def types():
    with connect() as c:
        return c.execute(
            "select %s, %s::numeric, %s::bytea, %s::int[], %s::uuid, %s::interval",
            (Jsonb({"a": [1, None]}), decimal.Decimal("12.3400"), b"\x00\xff", [1, None, 3],
             "00000000-0000-0000-0000-000000000001", datetime.timedelta(days=1, seconds=2)),
        ).fetchone()


@check
def large_values():
    with connect() as c:
        text = "x" * (8 << 20)
        return c.execute("select length(%s), md5(%s)", (text, text)).fetchone()


@check
def stream():
    with connect() as c:
        return sum(row[0] for row in c.cursor().stream("select generate_series(1, 1000)"))


@check
def client_cursor():
    with connect(cursor_factory=psycopg.ClientCursor, autocommit=True) as c:
        cursor = c.execute("select %s; select %s", (1, "it's"))
        first = cursor.fetchall()
        cursor.nextset()
        return first, cursor.fetchall()


@check
def large_objects():
    with connect() as c:
        oid = c.execute("select lo_from_bytea(0, 'abc')").fetchone()[0]
        read = c.execute("select lo_get(%s)", (oid,)).fetchone()
        c.execute("select lo_unlink(%s)", (oid,))
        return read


@check
def error_details():
    with connect() as c:
        try:
            c.execute("select * from nowhere_at_all")
        except psycopg.Error as error:
            d = error.diag
            return d.sqlstate, d.severity, d.message_primary, d.statement_position


def main():
    with open(os.environ["RESULTS"], "w") as results:
        for function in CHECKS:
            try:
                outcome = repr(function())
            except Exception as error:
                outcome = f"{type(error).__name__}: {error}"
                print(f"{function.__name__}: {outcome}", file=sys.stderr)
            outcome = outcome.replace("\n", " ").replace("\t", " ")
            results.write(f"{function.__name__}\t{outcome}\n")


main()

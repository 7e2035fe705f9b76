"""Works with the console through asyncmy. HOST, PORT and NODE (a pump to change) are in the
environment, TLS_PORT, CA and PASSWORD for the console with users."""
import asyncio
import datetime
import importlib.metadata
import os
import ssl
import sys

import asyncmy
from asyncmy.cursors import DictCursor, SSCursor
from asyncmy.errors import MySQLError


def check(got, want, what):
    if got != want:
        sys.exit(f"{what}: {got!r}, want {want!r}")


def did(text):
    print("did", text, flush=True)


async def refused(number, coroutine, what):
    try:
        await coroutine
    except MySQLError as err:
        check(err.args[0], number, what)
    else:
        sys.exit(f"{what}: no error, want {number}")


async def main():
    print("version", importlib.metadata.version("asyncmy"))
    node = os.environ["NODE"]
    pool = await asyncmy.create_pool(host=os.environ["HOST"], port=int(os.environ["PORT"]), user="root", db="binlog",
                                     charset="utf8mb4", minsize=1, maxsize=3, autocommit=True)

    async def ask(sql, args=None, kind=None):
        async with pool.acquire() as conn:
            async with conn.cursor(cursor=kind) as cur:
                await cur.execute(sql, args)
                return list(await cur.fetchall())

    pumps = [("pump1", "127.0.0.1:8250", "Online", 408553768673342237, "2019-05-22 07:09:04"),
             ("pump2", "127.0.0.2:8250", "Online", 408553768673342335, "2019-05-22 07:09:04")]
    check(await ask("SHOW PUMP STATUS LIKE 'pump%'"), pumps, "pumps")
    at = datetime.datetime(2019, 5, 22, 7, 9, 4, 218000)
    question = "SELECT node_id, commit_time, labels FROM pumps WHERE state = %s AND node_id IN (%s, %s)"
    for rows in await asyncio.gather(*(ask(question, ("online", "pump2", "pump3")) for _ in range(20))):
        check(rows, [("pump2", at, '{"zone":"a"}')], "select")
    check(await ask("SELECT COUNT(*) AS n, MAX(commit_time) AS newest FROM drainers", kind=DictCursor), [{"n": 1, "newest": at}], "dictionary")
    did("a pool, 20 statements at once; `SHOW PUMP STATUS`, SELECT with parameters, dictionaries, datetime")

    async with pool.acquire() as conn:
        async with conn.cursor(cursor=SSCursor) as cur:
            await cur.execute("SELECT column_name FROM information_schema.columns WHERE table_schema = 'binlog'")
            count = 0
            async for _ in cur:
                count += 1
        check(count > 40, True, f"{count} streamed")
        for state in ("paused", "online"):
            await conn.begin()
            async with conn.cursor() as cur:
                check(await cur.execute("CHANGE PUMP TO NODE_STATE = %s FOR NODE_ID %s", (state, node)), 0, "affected")
            await conn.commit()
            check(await ask("SELECT state FROM pumps WHERE node_id = %s", (node,)), [(state.title(),)], "state")
        async with conn.cursor() as cur:
            await cur.execute("START TRANSACTION READ ONLY")
            await refused(1792, cur.execute("CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID %s", (node,)), "CHANGE in a READ ONLY transaction")
        await conn.rollback()
        await conn.ping()
    did("streaming cursor, begin, commit, `CHANGE PUMP`, READ ONLY refuses it, ping")
    for sql, number in (("SELEC 1", 1064), ("SELECT * FROM nope", 1146), ("SELECT nope FROM pumps", 1054), ("DELETE FROM pumps", 1235),
                        ("CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'nope'", 1105)):
        await refused(number, ask(sql), sql)
    did("errors by number")
    pool.close()
    await pool.wait_closed()

    for user in ("sha2", "native"):
        for tls in (ssl.create_default_context(cafile=os.environ["CA"]), None):
            login = {"host": os.environ["HOST"], "port": int(os.environ["TLS_PORT"]), "user": user, "ssl": tls}
            conn = await asyncmy.connect(password=os.environ["PASSWORD"], **login)
            async with conn.cursor() as cur:
                await cur.execute("SELECT CURRENT_USER()")
                check(await cur.fetchall(), ((f"{user}@%",),), "CURRENT_USER()")
            conn.close()
            if tls or user == "native":  # elsewhere asyncmy wants a package that encrypts the whole password
                await refused(1045, asyncmy.connect(password="wrong", **login), "a wrong password")
    did("login by caching_sha2_password and mysql_native_password, over TLS and without")


asyncio.run(main())

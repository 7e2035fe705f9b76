"""Works with the console through SQLAlchemy 2 on aiomysql, as an asyncio service would.
HOST, PORT and NODE (a pump to change) are in the environment."""
import asyncio
import datetime
import os
import sys

import aiomysql
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

node = os.environ["NODE"]
host, port = os.environ["HOST"], int(os.environ["PORT"])


def check(got, want, what):
    if got != want:
        sys.exit(f"{what}: {got!r}, want {want!r}")


def did(text):
    print("did", text, flush=True)


class Base(DeclarativeBase):
    pass


class Pump(Base):
    __tablename__ = "pumps"
    node_id: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    state: Mapped[str]
    max_commit_ts: Mapped[int] = mapped_column(sa.BigInteger)
    commit_time: Mapped[datetime.datetime | None]


async def driver():
    """aiomysql by itself: a pool, cursors, a transaction."""
    async with aiomysql.create_pool(host=host, port=port, user="root", db="binlog", minsize=1, maxsize=4) as pool:
        async def ask(number):
            async with pool.acquire() as conn, conn.cursor() as cur:
                await cur.execute("SELECT %s + 1", (number,))
                return (await cur.fetchone())[0]
        check(await asyncio.gather(*map(ask, range(20))), list(range(1, 21)), "pool")
        async with pool.acquire() as conn:
            async with conn.cursor(aiomysql.DictCursor) as cur:
                await cur.execute("SHOW PUMP STATUS LIKE 'pump1'")
                check(await cur.fetchall(), [{"NodeID": "pump1", "Address": "127.0.0.1:8250", "State": "Online",
                                             "Max_Commit_Ts": 408553768673342237, "Update_Time": "2019-05-22 07:09:04"}], "pump")
            async with conn.cursor(aiomysql.SSCursor) as cur:
                await cur.execute("SELECT node_id FROM pumps WHERE node_id LIKE 'pump%' ORDER BY 1")
                check([row async for row in cur], [("pump1",), ("pump2",), ("pump3",)], "streamed")
            await conn.begin()
            await conn.rollback()
            await conn.ping()
    did("aiomysql: a pool of connections at once, dictionary and streaming cursors, ping")


def reflect(sync):
    look = sa.inspect(sync)
    check(look.get_schema_names(), ["binlog", "information_schema", "mysql", "performance_schema"], "schemas")
    check(look.has_table("pumps") and not look.has_table("nope"), True, "has_table")
    check(look.get_pk_constraint("positions")["constrained_columns"], ["drainer", "pump"], "primary key")
    check((look.get_foreign_keys("pumps"), look.get_indexes("pumps"), look.get_unique_constraints("pumps")), ([], [], []), "keys")
    columns = {c["name"]: c for c in look.get_multi_columns()[(None, "pumps")]}
    check(str(columns["max_commit_ts"]["type"]), "BIGINT", "type")
    check((columns["node_id"]["nullable"], columns["labels"]["nullable"]), (False, True), "nullable")
    meta = sa.MetaData()
    meta.reflect(sync)
    check(sorted(meta.tables), ["drainers", "events", "positions", "pumps", "standbys", "unresolved"], "reflected")
    return meta


async def alchemy():
    engine = create_async_engine(f"mysql+aiomysql://root@{host}:{port}/binlog?charset=utf8mb4", pool_pre_ping=True)
    async with engine.connect() as conn:
        meta = await conn.run_sync(reflect)
        pumps = meta.tables["pumps"]
        rows = await conn.execute(sa.select(pumps.c.state, sa.func.count()).where(pumps.c.node_id.like("pump%"))
                                  .group_by(pumps.c.state).order_by(pumps.c.state))
        check(rows.all(), [("Offline", 1), ("Online", 2)], "group by")
        stream = await conn.stream(sa.select(pumps.c.node_id).where(pumps.c.node_id.in_(["pump1", "pump2"])).order_by(pumps.c.node_id.desc()))
        check([row[0] async for row in stream], ["pump2", "pump1"], "streamed")
    did("inspect, MetaData.reflect, select and group by in core, streamed")

    sessions = async_sessionmaker(engine, expire_on_commit=False)
    async with sessions() as session:
        found = await session.get(Pump, "pump2")
        check((found.state, found.max_commit_ts, found.commit_time),
              ("Online", 408553768673342335, datetime.datetime(2019, 5, 22, 7, 9, 4, 218000)), "object")
        names = (await session.scalars(sa.select(Pump.node_id).where(Pump.node_id.like("pump%")).order_by(Pump.max_commit_ts).limit(1).offset(1))).all()
        check(names, ["pump1"], "limit and offset")
    did("mapped classes: get, scalars, limit and offset")

    change = sa.text("CHANGE PUMP TO NODE_STATE = :state FOR NODE_ID :node")
    for state in ("paused", "online"):
        async with engine.begin() as conn:
            await conn.execute(change, {"state": state, "node": node})
        async with sessions() as session:
            check((await session.get(Pump, node)).state, state.title(), "state")
    async with engine.connect() as conn:
        strict = await conn.execution_options(isolation_level="READ COMMITTED")
        check((await strict.execute(sa.select(sa.literal(1)))).scalar_one(), 1, "isolation level")
    did("`CHANGE PUMP` in transactions, isolation levels")

    for sql, errno in (("SELEC 1", 1064), ("SELECT * FROM nope", 1146), ("DELETE FROM pumps", 1235),
                       ("CHANGE PUMP TO NODE_STATE='paused' FOR NODE_ID 'nope'", 1105)):
        try:
            async with engine.connect() as conn:
                await conn.execute(sa.text(sql))
            sys.exit(f"{sql}: no error")
        except DBAPIError as err:
            check((err.orig.args[0], err.connection_invalidated), (errno, False), sql)
    try:
        async with sessions.begin() as session:
            session.add(Pump(node_id="new", state="Online", max_commit_ts=1))
        sys.exit("INSERT: no error")
    except DBAPIError as err:
        check(err.orig.args[0], 1235, "INSERT")
    did("errors by number, an INSERT that is refused")
    await engine.dispose()


print("version", sa.__version__)
asyncio.run(driver())
asyncio.run(alchemy())

"""Works with the console through SQLAlchemy: reflection of the database binlog, core
selects and mapped classes. HOST, PORT and NODE (a pump to change) are in the environment."""
import os
import sys

import sqlalchemy as sa
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.orm import Session


def check(got, want, what):
    if got != want:
        sys.exit(f"{what}: {got!r}, want {want!r}")


def did(text):
    print("did", text, flush=True)


print("version", sa.__version__)
node = os.environ["NODE"]
for driver in ("pymysql", "mysqldb"):
    engine = sa.create_engine(f"mysql+{driver}://root@{os.environ['HOST']}:{os.environ['PORT']}/binlog?charset=utf8mb4", future=True)
    look = sa.inspect(engine)
    check(look.get_schema_names(), ["binlog", "information_schema", "mysql", "performance_schema"], "schemas")
    check(look.get_table_names(), ["drainers", "events", "positions", "pumps", "standbys", "unresolved"], "tables")
    check(look.get_view_names(), [], "views")
    check(look.has_table("pumps"), True, "has_table")
    check(look.has_table("nope"), False, "has_table")
    check(look.get_pk_constraint("positions")["constrained_columns"], ["drainer", "pump"], "primary key")
    check(look.get_foreign_keys("pumps"), [], "foreign keys")
    check(look.get_indexes("pumps"), [], "indexes")
    check(look.get_unique_constraints("pumps"), [], "unique")
    check(look.get_table_comment("pumps")["text"], "The pumps of the cluster, offline ones too", "comment")
    columns = {c["name"]: c for c in look.get_columns("pumps")}
    check(len(columns), 15, "columns")
    check(str(columns["max_commit_ts"]["type"]), "BIGINT", "type")
    check(str(columns["lag_seconds"]["type"]), "DECIMAL(20, 3)", "type")
    check((columns["node_id"]["nullable"], columns["labels"]["nullable"]), (False, True), "nullable")
    if driver == "pymysql":
        did("inspect: schemas, tables, columns, keys, indexes, comments")

    meta = sa.MetaData()
    meta.reflect(engine)
    check(sorted(meta.tables), ["drainers", "events", "positions", "pumps", "standbys", "unresolved"], "reflected")
    pumps = meta.tables["pumps"]
    with engine.connect() as conn:
        rows = conn.execute(sa.select(pumps.c.node_id, pumps.c.max_commit_ts).where(pumps.c.state == "online")
                            .where(pumps.c.node_id.like("pump%")).order_by(pumps.c.node_id.desc())).all()
        check(rows, [("pump2", 408553768673342335), ("pump1", 408553768673342237)], "core select")
        totals = conn.execute(sa.select(pumps.c.state, sa.func.count()).where(pumps.c.node_id.like("pump%"))
                              .group_by(pumps.c.state).order_by(pumps.c.state)).all()
        check(totals, [("Offline", 1), ("Online", 2)], "group by")
    if driver == "pymysql":
        did("MetaData.reflect, select and group by in core")

    base = automap_base(metadata=meta)
    base.prepare()
    with Session(engine) as session:
        found = session.get(base.classes.pumps, "pump2")
        check((found.address, found.labels), ("127.0.0.2:8250", '{"zone":"a"}'), "object")
        names = session.scalars(sa.select(base.classes.drainers.node_id).limit(1).offset(0)).all()
        check(names, ["drainer1"], "limit and offset")
    if driver == "pymysql":
        did("automap, Session.get, limit and offset")

    with engine.begin() as conn:
        for state in ("paused", "online"):
            conn.execute(sa.text("CHANGE PUMP TO NODE_STATE = :state FOR NODE_ID :node"), {"state": state, "node": node})
            check(conn.execute(sa.select(pumps.c.state).where(pumps.c.node_id == node)).scalar_one(), state.title(), "state")
    if driver == "pymysql":
        did("`CHANGE PUMP` in a transaction")
    engine.dispose()
did("all of it through PyMySQL and mysqlclient")

"""Reads the console's tables into pandas. HOST and PORT are in the environment."""
import os
import sys

import pandas as pd
import sqlalchemy as sa


def check(got, want, what):
    if got != want:
        sys.exit(f"{what}: {got!r}, want {want!r}")


def did(text):
    print("did", text, flush=True)


print("version", pd.__version__)
engine = sa.create_engine(f"mysql+pymysql://root@{os.environ['HOST']}:{os.environ['PORT']}/binlog")
pumps = pd.read_sql("SELECT node_id, state, max_commit_ts, commit_time, lag_seconds FROM pumps WHERE node_id LIKE 'pump_' ORDER BY node_id", engine)
check(list(pumps.node_id), ["pump1", "pump2", "pump3"], "node_id")
check(list(pumps.max_commit_ts), [408553768673342237, 408553768673342335, 1], "max_commit_ts")
check((str(pumps.max_commit_ts.dtype), str(pumps.commit_time.dtype)[:10]), ("int64", "datetime64"), "types")
check(str(pumps.commit_time[1]), "2019-05-22 07:09:04.218000", "commit_time")
check(pumps.groupby("state").size().to_dict(), {"Offline": 1, "Online": 2}, "group")
did("read_sql: 64-bit commit TS, datetime64, groupby")
found = pd.read_sql(sa.text("SELECT node_id FROM drainers WHERE max_commit_ts > :ts"), engine, params={"ts": 1}, index_col="node_id")
check(list(found.index), ["drainer1"], "parameters")
whole = pd.read_sql_table("pumps", engine, schema="binlog", columns=["node_id", "address"])
check(whole[whole.node_id == "pump2"].address.item(), "127.0.0.2:8250", "read_sql_table")
sizes = [len(part) for part in pd.read_sql("SELECT column_name FROM information_schema.columns WHERE table_schema = 'binlog'", engine, chunksize=20)]
check((sizes[0], sum(sizes) > 40), (20, True), "chunks")
joined = pd.read_sql("SELECT p.node_id AS pump, d.node_id AS drainer FROM pumps p CROSS JOIN drainers d", engine).merge(whole, left_on="pump", right_on="node_id")
check(set(joined.drainer), {"drainer1"}, "merge")
did("parameters, read_sql_table, chunksize, merge")

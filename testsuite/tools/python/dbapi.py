"""Works with the console through a DB-API driver, pymysql or MySQLdb (argument 1), as a
script of an operator would. HOST, PORT and NODE (a pump to change) are in the environment."""
import datetime
import importlib
import os
import sys

driver = importlib.import_module(sys.argv[1])


def check(got, want, what):
    if got != want:
        sys.exit(f"{what}: {got!r}, want {want!r}")


def did(text):
    print("did", text, flush=True)


version = getattr(driver, "__version__")
print("version", version if isinstance(version, str) else ".".join(map(str, version)))
node = os.environ["NODE"]
conn = driver.connect(host=os.environ["HOST"], port=int(os.environ["PORT"]), user="root", charset="utf8mb4")
cur = conn.cursor()
cur.execute("SELECT VERSION(), @@log_bin")
version, log_bin = cur.fetchone()
check("TiDB" in version, True, version)
check(int(log_bin), 0, "log_bin")
did("connect")

cur.execute("SHOW PUMP STATUS LIKE 'pump%'")
check([c[0] for c in cur.description], ["NodeID", "Address", "State", "Max_Commit_Ts", "Update_Time"], "columns")
check(cur.fetchall(), (("pump1", "127.0.0.1:8250", "Online", 408553768673342237, "2019-05-22 07:09:04"),
                       ("pump2", "127.0.0.2:8250", "Online", 408553768673342335, "2019-05-22 07:09:04")), "pumps")
did("`SHOW PUMP STATUS`")

cur.execute("SELECT node_id, commit_time, labels FROM binlog.pumps WHERE state = %s AND node_id IN (%s, %s) ORDER BY 1",
            ("online", "pump2", "pump3"))
check(cur.fetchall(), (("pump2", datetime.datetime(2019, 5, 22, 7, 9, 4, 218000), '{"zone":"a"}'),), "select")
did("SELECT with parameters, dates as datetime")

rows = driver.cursors.DictCursor(conn)
rows.execute("SELECT COUNT(*) AS n, MAX(max_commit_ts) AS newest FROM binlog.drainers")
check(rows.fetchone(), {"n": 1, "newest": 408553768673342532}, "dictionary")
stream = driver.cursors.SSCursor(conn)
stream.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'binlog' ORDER BY 1")
check([r[0] for r in stream], ["drainers", "events", "positions", "pumps", "standbys", "unresolved"], "streamed")
stream.close()
did("dictionary and streaming cursors")

for state in ("paused", "online"):
    check(cur.execute("CHANGE PUMP TO NODE_STATE = %s FOR NODE_ID %s", (state, node)), 0, "affected")
    conn.commit()
    cur.execute("SELECT state FROM binlog.pumps WHERE node_id = %s", (node,))
    check(cur.fetchone(), (state.title(),), "state")
did("`CHANGE PUMP`, commit()")

for sql, errno in (("SELEC 1", 1064), ("SELECT nope FROM binlog.pumps", 1054), ("SELECT * FROM binlog.nope", 1146),
                   ("CHANGE PUMP TO NODE_STATE='paused' FOR NODE_ID 'nope'", 1105), ("DELETE FROM binlog.pumps", 1235)):
    try:
        cur.execute(sql)
        sys.exit(f"{sql}: no error")
    except driver.Error as err:
        check(err.args[0], errno, sql)
did("errors by number")
conn.rollback()
conn.ping()
conn.close()
did("rollback(), ping()")

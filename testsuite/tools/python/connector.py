"""Works with the console through Oracle's Connector/Python: argument 1 is pure for the
protocol in Python, c for its C extension. HOST, PORT and NODE (a pump to change) are in
the environment."""
import datetime
import decimal
import os
import sys

import mysql.connector
from mysql.connector import errorcode


def check(got, want, what):
    if got != want:
        sys.exit(f"{what}: {got!r}, want {want!r}")


def did(text):
    print("did", text, flush=True)


print("version", mysql.connector.__version__)
node = os.environ["NODE"]
login = {"host": os.environ["HOST"], "port": int(os.environ["PORT"]), "user": "root", "use_pure": sys.argv[1] == "pure"}
conn = mysql.connector.connect(database="binlog", **login)
check(type(conn).__name__, "MySQLConnection" if login["use_pure"] else "CMySQLConnection", "connection")
check("TiDB" in conn.server_info, True, conn.server_info)
check(conn.server_version >= (8, 0, 11), True, "version")
check((conn.database, conn.is_connected(), conn.autocommit), ("binlog", True, False), "connection")
check(conn.time_zone != "", True, "time zone")
conn.set_charset_collation("utf8mb4", "utf8mb4_0900_ai_ci")
did("connect, server_version, set_charset_collation")

cur = conn.cursor()
cur.execute("SHOW PUMP STATUS LIKE 'pump%'")
check(list(cur.column_names), ["NodeID", "Address", "State", "Max_Commit_Ts", "Update_Time"], "columns")
check(cur.fetchall(), [("pump1", "127.0.0.1:8250", "Online", 408553768673342237, "2019-05-22 07:09:04"),
                       ("pump2", "127.0.0.2:8250", "Online", 408553768673342335, "2019-05-22 07:09:04")], "pumps")
cur.execute("SHOW VARIABLES LIKE %s", ("log_bin",))
check(cur.fetchall(), [("log_bin", "0")], "log_bin")
did("`SHOW PUMP STATUS`, SHOW VARIABLES")

question = "SELECT node_id, commit_time, labels, max_commit_ts, CAST(1.50 AS DECIMAL(5,2)) FROM pumps WHERE state = %s AND node_id IN (%s, %s)"
answer = [("pump2", datetime.datetime(2019, 5, 22, 7, 9, 4, 218000), '{"zone":"a"}', 408553768673342335, decimal.Decimal("1.50"))]
cur.execute(question, ("online", "pump2", "pump3"))
check(cur.fetchall(), answer, "select")
with conn.cursor(prepared=True) as prepared:
    for want, names in ((answer, ("pump2", "pump3")), ([], ("nope", "pump3")), (answer, ("pump2", "pump2"))):
        prepared.execute(question, ("online", *names))
        check(prepared.fetchall(), want, f"prepared {names}")
    prepared.execute("SELECT node_id FROM pumps WHERE node_id LIKE 'pump%' AND max_commit_ts = ? AND ? IS NULL", (408553768673342237, None))
    check(prepared.fetchall(), [("pump1",)], "prepared, a commit TS and NULL")
with conn.cursor(dictionary=True, buffered=True) as rows:
    rows.execute("SELECT COUNT(*) AS n, MAX(max_commit_ts) AS newest FROM drainers")
    check(rows.fetchone(), {"n": 1, "newest": 408553768673342532}, "dictionary")
    rows.execute("SELECT node_id, state FROM pumps WHERE node_id = %(id)s", {"id": "pump3"})
    check(list(rows), [{"node_id": "pump3", "state": "Offline"}], "named parameter")
did("SELECT with parameters, prepared by the server; dictionaries, datetime, Decimal")

for state in ("paused", "online"):
    conn.start_transaction(isolation_level="READ COMMITTED")
    check(conn.in_transaction, True, "in transaction")
    cur.execute("CHANGE PUMP TO NODE_STATE = %s FOR NODE_ID %s", (state, node))
    conn.commit()
    check(conn.in_transaction, False, "in transaction")
    cur.execute("SELECT state FROM pumps WHERE node_id = %s", (node,))
    check(cur.fetchall(), [(state.title(),)], "state")
conn.rollback()
conn.start_transaction(readonly=True, consistent_snapshot=True)
try:
    cur.execute("CHANGE PUMP TO NODE_STATE = %s FOR NODE_ID %s", ("paused", node))
    sys.exit("CHANGE in a read-only transaction: no error")
except mysql.connector.Error as err:
    check(err.errno, errorcode.ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, "CHANGE in a read-only transaction")
conn.rollback()
with conn.cursor(prepared=True) as prepared:
    for state in ("paused", "online"):
        prepared.execute("CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?", (state, node))
conn.autocommit = True
did("start_transaction, `CHANGE PUMP` in it and prepared, commit(), rollback(), a read-only one")

for sql, errno, kind in (("SELEC 1", 1064, mysql.connector.ProgrammingError), ("SELECT nope FROM pumps", 1054, mysql.connector.Error),
                         ("SELECT * FROM nope", 1146, mysql.connector.ProgrammingError), ("DELETE FROM pumps", 1235, mysql.connector.Error),
                         ("CHANGE PUMP TO NODE_STATE='paused' FOR NODE_ID 'nope'", 1105, mysql.connector.Error)):
    try:
        cur.execute(sql)
        sys.exit(f"{sql}: no error")
    except kind as err:
        check(err.errno, errno, sql)
        check(bool(err.msg), True, sql)
try:
    mysql.connector.connect(**{**login, "user": "nobody"})
    sys.exit("login as nobody: no error")
except mysql.connector.Error as err:
    check(err.errno, errorcode.ER_ACCESS_DENIED_ERROR, "login as nobody")
did("errors by number and class, a refused login")

conn.get_warnings = True
cur.execute("SELECT CAST('12x' AS SIGNED)")
check(cur.fetchall(), [(12,)], "cast")
check([w[1] for w in cur.fetchwarnings()], [1292], "warnings")
cur.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE 'p%' ORDER BY 1")
check(cur.fetchall(), [("positions",), ("pumps",)], "tables")
conn.ping(reconnect=False)
conn.cmd_reset_connection()
conn.cmd_change_user(username="root", database="information_schema")
check(conn.database, "information_schema", "database")
conn.close()
with mysql.connector.connect(pool_name="console", pool_size=2, **login) as pooled:
    with pooled.cursor() as rows:
        rows.execute("SELECT 1")
        check(rows.fetchall(), [(1,)], "pooled")
did("warnings, tables, ping, reset, change_user, a pool")

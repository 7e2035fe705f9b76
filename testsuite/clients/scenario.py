"""Runs one statement a line of standard input (JSON: {"sql", "args"}) through PyMySQL and
prints one JSON line for each: {"rows", "columns", "affected", "errno", "error"}."""
import json
import sys

import pymysql

conn = pymysql.connect(host=sys.argv[1], port=int(sys.argv[2]), user="root", autocommit=True)
for line in sys.stdin:
    step = json.loads(line)
    out = {}
    try:
        with conn.cursor() as cur:
            sql = step["sql"].replace("?", "%s") if step["args"] else step["sql"]
            out["affected"] = cur.execute(sql, step["args"] or None) if not cur.description else 0
            if cur.description:
                out["columns"] = [d[0] for d in cur.description]
                out["rows"] = [["" if v is None else str(v) for v in row] for row in cur.fetchall()]
                out["affected"] = 0
    except pymysql.MySQLError as err:
        out["errno"], out["error"] = err.args[0], err.args[1]
    print(json.dumps(out), flush=True)
conn.close()

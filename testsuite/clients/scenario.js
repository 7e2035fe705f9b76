// Runs one statement a line of standard input (JSON: {sql, args}) through node mysql2, those
// with arguments as server-side prepared statements, and prints one JSON line for each:
// {rows, columns, affected, errno, error}.
'use strict';
const readline = require('readline');
const mysql = require(process.env.NODE_CLIENTS + '/mysql2/promise');

async function main() {
  const conn = await mysql.createConnection({
    host: process.argv[2], port: Number(process.argv[3]), user: 'root',
    supportBigNumbers: true, bigNumberStrings: true, rowsAsArray: true,
  });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const step = JSON.parse(line);
    const out = {};
    try {
      const [res, fields] = step.args && step.args.length
        ? await conn.execute(step.sql, step.args) : await conn.query(step.sql);
      if (fields) {
        out.columns = fields.map((f) => f.name);
        out.rows = res.map((r) => r.map((v) => (v === null ? '' : String(v))));
        out.affected = 0;
      } else {
        out.affected = res.affectedRows;
      }
    } catch (err) {
      if (!err.errno) throw err;
      out.errno = err.errno;
      out.error = err.sqlMessage;
    }
    console.log(JSON.stringify(out));
  }
  await conn.end();
}
main().catch((err) => { console.error(err); process.exit(1); });

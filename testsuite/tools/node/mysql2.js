// node mysql2: text and prepared statements, a pool, several results, change of user.
'use strict';
const { load, at, node, did, check, fails, run } = require('./common');
const mysql = load('mysql2/promise');

run(async () => {
  const pool = mysql.createPool({ ...at, database: 'binlog', connectionLimit: 3, supportBigNumbers: true, multipleStatements: true, timezone: 'Z' });
  const [pumps, fields] = await pool.query("SHOW PUMP STATUS LIKE 'pump%'");
  check(fields.map((f) => f.name), ['NodeID', 'Address', 'State', 'Max_Commit_Ts', 'Update_Time'], 'columns');
  check({ ...pumps[0] }, { NodeID: 'pump1', Address: '127.0.0.1:8250', State: 'Online', Max_Commit_Ts: '408553768673342237', Update_Time: '2019-05-22 07:09:04' }, 'row');
  const [[texts]] = await pool.query("SELECT CONVERT('é' USING latin1) AS a, 'ü中' AS b");
  check([texts.a, texts.b], ['é', 'ü中'], 'texts of two character sets');
  did('pool, query, `SHOW PUMP STATUS`');
  for (let i = 0; i < 2; i++) {
    const [rows] = await pool.execute('SELECT node_id, commit_time, labels FROM pumps WHERE node_id LIKE ? AND max_commit_ts > ? ORDER BY 1', ['pump%', 1]);
    check(rows.map((r) => [r.node_id, r.commit_time.toISOString(), r.labels]),
      [['pump1', '2019-05-22T07:09:04.218Z', null], ['pump2', '2019-05-22T07:09:04.218Z', '{"zone":"a"}']], 'prepared');
  }
  for (const state of ['paused', 'online']) {
    const [ok] = await pool.execute('CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?', [state, node]);
    check(ok.affectedRows, 0, 'affected');
    const [[row]] = await pool.query('SELECT state FROM pumps WHERE ?? = ?', ['node_id', node]);
    check(row.state.toLowerCase(), state, 'state');
  }
  did('execute with parameters, `CHANGE PUMP`');
  const conn = await pool.getConnection();
  const [several] = await conn.query('SELECT 1 AS a; SHOW DRAINER STATUS');
  check([several[0][0].a, several[1][0].NodeID], [1, 'drainer1'], 'several');
  await conn.beginTransaction();
  await conn.commit();
  await conn.beginTransaction();
  await conn.rollback();
  await conn.changeUser({ user: 'root', database: 'information_schema' });
  const [[{ db }]] = await conn.query('SELECT DATABASE() AS db');
  check(db, 'information_schema', 'database');
  await conn.ping();
  conn.release();
  const names = [];
  const plain = (await mysql.createConnection(at));
  for await (const row of plain.connection.query("SELECT table_name AS t FROM information_schema.tables WHERE table_schema = 'binlog' ORDER BY 1").stream()) names.push(row.t);
  check(names, ['drainers', 'events', 'positions', 'pumps', 'standbys', 'unresolved'], 'stream');
  await plain.end();
  await fails(1064, () => pool.query('SELEC 1'));
  await fails(1146, () => pool.execute('SELECT * FROM binlog.nope'));
  await pool.end();
  did('several results, transactions, changeUser, stream, errors');
});

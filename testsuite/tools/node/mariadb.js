// node mariadb: text and prepared statements, batch, streams, a pool.
'use strict';
const { load, at, node, did, check, fails, run } = require('./common');
const mariadb = load('mariadb');

run(async () => {
  const pool = mariadb.createPool({ ...at, database: 'binlog', connectionLimit: 2, multipleStatements: true, timezone: 'Z' });
  const conn = await pool.getConnection();
  check(conn.serverVersion().includes('TiDB'), true, conn.serverVersion());
  const pumps = await conn.query("SHOW PUMP STATUS LIKE 'pump%'");
  check({ ...pumps[0] }, { NodeID: 'pump1', Address: '127.0.0.1:8250', State: 'Online', Max_Commit_Ts: 408553768673342237n, Update_Time: '2019-05-22 07:09:04' }, 'row');
  did('pool, `SHOW PUMP STATUS`, BigInt');
  for (let i = 0; i < 2; i++) {
    const rows = await conn.execute('SELECT node_id, commit_time, labels FROM pumps WHERE node_id LIKE ? AND max_commit_ts > ? ORDER BY 1', ['pump%', 1]);
    check(rows.map((r) => [r.node_id, r.commit_time.toISOString(), r.labels]),
      [['pump1', '2019-05-22T07:09:04.218Z', null], ['pump2', '2019-05-22T07:09:04.218Z', '{"zone":"a"}']], 'prepared');
  }
  const change = await conn.prepare('CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?');
  for (const state of ['paused', 'online']) {
    check((await change.execute([state, node])).affectedRows, 0, 'affected');
    check((await conn.query({ namedPlaceholders: true, sql: 'SELECT state FROM pumps WHERE node_id = :id' }, { id: node }))[0].state.toLowerCase(), state, 'state');
  }
  change.close();
  did('prepare, execute, named placeholders, `CHANGE PUMP`');
  await conn.batch('CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?', [['paused', node], ['online', node]]);
  check((await conn.query('SELECT state FROM pumps WHERE node_id = ?', [node]))[0].state, 'Online', 'after the batch');
  const several = await conn.query('SELECT 1 AS a; SHOW DRAINER STATUS');
  check([Number(several[0][0].a), several[1][0].NodeID], [1, 'drainer1'], 'several');
  const names = [];
  for await (const row of conn.queryStream('SHOW TABLES')) names.push(row.Tables_in_binlog);
  check(names, ['drainers', 'events', 'positions', 'pumps', 'standbys', 'unresolved'], 'stream');
  await conn.beginTransaction();
  await conn.commit();
  await conn.ping();
  await conn.reset();
  check(conn.isValid(), true, 'valid');
  await fails(1064, () => conn.query('SELEC 1'));
  await fails(1146, () => conn.execute('SELECT * FROM binlog.nope'));
  await conn.release();
  await pool.end();
  did('batch, several results, stream, transactions, reset, errors');
});

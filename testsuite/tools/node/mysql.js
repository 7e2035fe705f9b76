// node mysql (the old driver): escaped parameters, streams, several results.
'use strict';
const { promisify } = require('node:util');
const { load, at, node, did, check, fails, run } = require('./common');
const mysql = load('mysql');

run(async () => {
  const conn = mysql.createConnection({ ...at, database: 'binlog', supportBigNumbers: true, bigNumberStrings: true, multipleStatements: true, timezone: 'Z' });
  const call = (name) => promisify(conn[name]).bind(conn);
  const query = call('query');
  await call('connect')();
  const pumps = await query("SHOW PUMP STATUS LIKE 'pump%'");
  check(pumps.map((p) => [p.NodeID, p.State, p.Max_Commit_Ts]), [['pump1', 'Online', '408553768673342237'], ['pump2', 'Online', '408553768673342335']], 'pumps');
  did('connect, `SHOW PUMP STATUS`');
  const rows = await query({ sql: 'SELECT ??, commit_time FROM pumps WHERE node_id IN (?) ORDER BY node_id', nestTables: '_' }, ['labels', ['pump1', 'pump2']]);
  check({ ...rows[1] }, { pumps_labels: '{"zone":"a"}', pumps_commit_time: new Date('2019-05-22T07:09:04.218Z') }, 'nested');
  for (const state of ['paused', 'online']) {
    check((await query('CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?', [state, node])).affectedRows, 0, 'affected');
    check((await query('SELECT state FROM pumps WHERE ?', { node_id: node }))[0].state.toLowerCase(), state, 'state');
  }
  did('parameters, identifiers, dates, nestTables, `CHANGE PUMP`');
  const several = await query('SELECT 1 AS a; SHOW DRAINER STATUS');
  check([Number(several[0][0].a), several[1][0].NodeID], [1, 'drainer1'], 'several');
  const names = [];
  await new Promise((done, failed) => conn.query('SHOW TABLES').stream()
    .on('data', (row) => names.push(row.Tables_in_binlog)).on('error', failed).on('end', done));
  check(names, ['drainers', 'events', 'positions', 'pumps', 'standbys', 'unresolved'], 'stream');
  await call('beginTransaction')();
  await call('commit')();
  await call('changeUser')({ database: 'mysql' });
  await call('ping')();
  check((await call('statistics')()).message.startsWith('Uptime'), true, 'statistics');
  await fails(1064, () => query('SELEC 1'));
  await fails(1146, () => query('SELECT * FROM nope'));
  await call('end')();
  did('several results, stream, transactions, changeUser, statistics, errors');
});

// knex on mysql2 and on mysql: its query builder and what it asks of the schema.
'use strict';
const { load, at, node, did, check, fails, run } = require('./common');
const knex = load('knex');

run(async () => {
  // knex looks for its drivers on its own search path.
  for (const client of ['mysql2', 'mysql']) {
    const db = knex({ client, connection: { ...at, database: 'binlog', supportBigNumbers: true, bigNumberStrings: true } });
    check(await db.schema.hasTable('pumps'), true, 'hasTable');
    check(await db.schema.hasTable('nope'), false, 'hasTable');
    check(await db.schema.hasColumn('pumps', 'state'), true, 'hasColumn');
    check(await db.schema.hasColumn('pumps', 'nope'), false, 'hasColumn');
    const info = await db('pumps').columnInfo();
    check([Object.keys(info).length, info.node_id.type, Number(info.node_id.maxLength), info.labels.nullable, info.node_id.nullable], [15, 'varchar', 255, true, false], 'columnInfo');
    if (client === 'mysql2') did('hasTable, hasColumn, columnInfo');
    const rows = await db('pumps').select('node_id', 'max_commit_ts').where('state', 'online').andWhere('node_id', 'like', 'pump%')
      .orderBy('node_id', 'desc').limit(1).offset(1);
    check(rows.map((r) => ({ ...r })), [{ node_id: 'pump1', max_commit_ts: '408553768673342237' }], 'select');
    check((await db('pumps as p').join('drainers as d', 'd.state', '=', 'p.state').where('p.node_id', 'pump2').pluck('d.node_id')), ['drainer1'], 'join');
    check(Number((await db('pumps').where('node_id', 'like', 'pump%').countDistinct('state as n').first()).n), 2, 'count');
    check((await db.with('o', db('pumps').where('state', 'offline')).from('o').pluck('node_id').catch((e) => e.errno)), ['pump3'], 'with');
    if (client === 'mysql2') did('select, join, count, with');
    await db.transaction(async (trx) => {
      for (const state of ['paused', 'online']) {
        await trx.raw('CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?', [state, node]);
        check((await trx('pumps').where({ node_id: node }).first()).state.toLowerCase(), state, 'state');
      }
    });
    if (client === 'mysql2') did('raw, transaction, `CHANGE PUMP`');
    await fails(1146, () => db('nope').select());
    await fails(1235, () => db('pumps').insert({ node_id: 'x' }));
    await db.destroy();
  }
  did('all of it on mysql2 and mysql, errors by number');
});

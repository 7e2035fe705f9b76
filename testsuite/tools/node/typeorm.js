// typeorm on mysql2: an entity over binlog.pumps, its query builder and query runner.
'use strict';
const { load, require: need, at, node, did, check, fails, run } = require('./common');
const { DataSource, EntitySchema, Like } = load('typeorm');

const Pump = new EntitySchema({
  name: 'Pump', tableName: 'pumps',
  columns: {
    nodeId: { name: 'node_id', type: 'varchar', primary: true }, state: { type: 'varchar' },
    maxCommitTs: { name: 'max_commit_ts', type: 'bigint' }, commitTime: { name: 'commit_time', type: 'datetime', precision: 3, nullable: true },
  },
});

run(async () => {
  const db = await new DataSource({ type: 'mysql', connectorPackage: 'mysql2', driver: need('mysql2'), host: at.host, port: at.port, username: 'root', database: 'binlog', entities: [Pump], timezone: 'Z' }).initialize();
  const runner = db.createQueryRunner();
  check(await runner.hasDatabase('binlog'), true, 'hasDatabase');
  check(await runner.hasTable('pumps'), true, 'hasTable');
  check(await runner.hasTable('nope'), false, 'hasTable');
  check(await runner.hasColumn('pumps', 'state'), true, 'hasColumn');
  check(await runner.getCurrentDatabase(), 'binlog', 'getCurrentDatabase');
  const table = await runner.getTable('pumps');
  check([table.columns.length, table.primaryColumns.map((c) => c.name), table.findColumnByName('max_commit_ts').type, table.findColumnByName('labels').isNullable, table.indices.length],
    [15, ['node_id'], 'bigint', true, 0], 'getTable');
  check((await runner.getTables(['drainers', 'events', 'positions', 'pumps'])).length, 4, 'getTables');
  did('hasDatabase, hasTable, hasColumn, getTable');
  const repo = db.getRepository(Pump);
  const found = await repo.findOneByOrFail({ nodeId: 'pump2' });
  check([found.maxCommitTs, found.commitTime.toISOString()], ['408553768673342335', '2019-05-22T07:09:04.218Z'], 'findOneBy');
  const [some, count] = await repo.findAndCount({ where: { nodeId: Like('pump%') }, order: { nodeId: 'DESC' }, take: 1, skip: 1 });
  check([some.map((p) => p.nodeId), count], [['pump2'], 3], 'findAndCount');
  const totals = await repo.createQueryBuilder('p').select('p.state', 'state').addSelect('COUNT(*)', 'n').where('p.nodeId LIKE :like', { like: 'pump%' }).groupBy('p.state').orderBy('p.state').getRawMany();
  check(totals.map((t) => `${t.state} ${t.n}`), ['Offline 1', 'Online 2'], 'query builder');
  did('findOneBy, findAndCount, query builder');
  await db.transaction(async (manager) => {
    for (const state of ['paused', 'online']) {
      await manager.query('CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?', [state, node]);
      check((await manager.findOneByOrFail(Pump, { nodeId: node })).state.toLowerCase(), state, 'state');
    }
  });
  await fails(1146, () => db.query('SELECT * FROM nope'));
  await fails(1235, () => repo.insert({ nodeId: 'x', state: 'online', maxCommitTs: '1' }));
  await runner.release();
  await db.destroy();
  did('transaction, `CHANGE PUMP`, errors');
});

// sequelize: its query interface, a model over binlog.pumps, raw statements.
'use strict';
const { load, require: need, at, node, did, check, fails, run } = require('./common');
const { Sequelize, DataTypes, QueryTypes, Op } = load('sequelize');

run(async () => {
  const db = new Sequelize('binlog', 'root', '', { host: at.host, port: at.port, dialect: 'mysql', dialectModule: need('mysql2'), logging: false, timezone: '+00:00' });
  await db.authenticate();
  check((await db.databaseVersion()).startsWith('8.0.11'), true, 'databaseVersion');
  const look = db.getQueryInterface();
  check((await look.showAllTables()).map((t) => t.tableName || t), ['drainers', 'events', 'positions', 'pumps', 'standbys', 'unresolved'], 'showAllTables');
  check((await look.showAllSchemas()).length > 0, true, 'showAllSchemas');
  const columns = await look.describeTable('pumps');
  check([Object.keys(columns).length, columns.node_id.type, columns.node_id.primaryKey, columns.node_id.allowNull, columns.max_commit_ts.type, columns.labels.allowNull],
    [15, 'VARCHAR(255)', true, false, 'BIGINT', true], 'describeTable');
  check((await look.showIndex('pumps')).map((i) => i.name), ['PRIMARY'], 'showIndex');
  check(await look.tableExists('pumps'), true, 'tableExists');
  check(await look.getForeignKeyReferencesForTable('pumps'), [], 'foreign keys');
  did('authenticate, databaseVersion, showAllTables, describeTable, showIndex, foreign keys');
  const Pump = db.define('Pump', {
    node_id: { type: DataTypes.STRING, primaryKey: true }, state: DataTypes.STRING, max_commit_ts: DataTypes.BIGINT, commit_time: DataTypes.DATE(3),
  }, { tableName: 'pumps', timestamps: false });
  check((await Pump.findByPk('pump2')).get('commit_time').toISOString(), '2019-05-22T07:09:04.218Z', 'findByPk');
  const { count, rows } = await Pump.findAndCountAll({ where: { node_id: { [Op.like]: 'pump%' }, state: { [Op.in]: ['online', 'paused'] } }, order: [['node_id', 'DESC']], limit: 1, offset: 1 });
  check([count, rows.map((r) => r.node_id)], [2, ['pump1']], 'findAndCountAll');
  check(await Pump.max('max_commit_ts', { where: { node_id: 'pump1' } }), 408553768673342237, 'max');
  did('a model: findByPk, findAndCountAll, max');
  await db.transaction(async (transaction) => {
    for (const state of ['paused', 'online']) {
      await db.query('CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?', { replacements: [state, node], transaction });
      const [row] = await db.query('SELECT state FROM pumps WHERE node_id = $id', { bind: { id: node }, type: QueryTypes.SELECT, transaction });
      check(row.state.toLowerCase(), state, 'state');
    }
  });
  await fails(1146, () => db.query('SELECT * FROM nope'));
  await fails(1235, () => Pump.create({ node_id: 'x' }));
  await db.close();
  did('replacements, bind, transaction, `CHANGE PUMP`, errors');
});

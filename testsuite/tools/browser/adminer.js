// Adminer: login, list of tables, structure, browsing with a filter, SQL, export.
'use strict';
const fs = require('node:fs');
const { browse, did, check, node, host, port, run } = require('./common');
const url = process.argv[3];

run(() => browse(async (page) => {
  const text = () => page.innerText('#content');
  await page.goto(url);
  await page.fill('input[name="auth[server]"]', `${host}:${port}`);
  await page.fill('input[name="auth[username]"]', 'root');
  await page.fill('input[name="auth[db]"]', '');
  await page.click('input[type=submit]');
  await page.waitForSelector('#logout');
  check((await text()).includes('MySQL version: 8.0.11-TiDB'), true, await text());
  check((await page.locator('#content th a').allInnerTexts()).includes('binlog'), true, 'databases');
  await page.shot('adminer-1-databases');
  did('login, list of databases');

  const at = (query) => page.goto(`${url}/?server=${host}%3A${port}&username=root&db=binlog&${query}`);
  await at('');
  check((await page.locator('#content th').allInnerTexts()).filter((t) => /^[a-z]+$/.test(t)), ['drainers', 'events', 'positions', 'pumps', 'standbys', 'unresolved'], 'tables');
  await page.shot('adminer-2-tables');
  await page.click('#menu a.structure:has-text("pumps")');
  check((await text()).includes('bigint') && (await text()).includes('Largest commit TS it has sorted'), true, await text());
  check((await text()).includes('PRIMARY'), true, 'index');
  await page.shot('adminer-3-structure');
  did('tables, structure, indexes');

  await at('select=pumps&order%5B0%5D=node_id&where%5B0%5D%5Bcol%5D=node_id&where%5B0%5D%5Bop%5D=LIKE&where%5B0%5D%5Bval%5D=pump%25');
  check((await page.locator('#table tbody tr').count()), 3, 'rows');
  check((await page.innerText('#table')).includes('408553768673342335'), true, 'value');
  await page.shot('adminer-4-browse');
  await at('select=drainers');
  check((await page.locator('#table tbody tr').count()), 1, 'drainers');
  did('browse, filter and sort');

  const sql = async (statement) => {
    await at('sql=');
    await page.evaluate((s) => { document.querySelector('textarea[name=query]').value = s; }, statement);
    await page.click('input[type=submit][value=Execute]');
    await page.waitForSelector('#content .time, #content .error, #content .message');
    return text();
  };
  check((await sql("SHOW PUMP STATUS LIKE 'pump%'")).includes('408553768673342237'), true, 'SHOW PUMP STATUS');
  await page.shot('adminer-5-sql');
  check((await sql(`CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID '${node}'`)).includes('0 rows affected'), true, 'CHANGE');
  check((await sql(`SELECT state FROM pumps WHERE node_id = '${node}'; SELECT COUNT(*) AS n FROM drainers`)).includes('Paused'), true, 'state');
  check((await sql('SELECT * FROM nope')).includes("Table 'binlog.nope' doesn't exist"), true, 'error');
  check((await sql('EXPLAIN SELECT * FROM pumps')).includes('pumps'), true, 'EXPLAIN');
  did('SQL command: `SHOW PUMP STATUS`, `CHANGE PUMP`, several statements, an error');

  for (const [format, want] of [['sql', "'408553768673342335'|408553768673342335"], ['csv', 'pump2,127.0.0.2:8250']]) {
    await at('dump=pumps');
    await page.check(`input[name=format][value=${format}]`);
    await page.check('input[name=output][value=file]');
    const [file] = await Promise.all([page.waitForEvent('download'), page.click('#content input[type=submit]')]);
    const dump = fs.readFileSync(await file.path(), 'utf8');
    check(new RegExp(want).test(dump), true, dump);
  }
  did('export as SQL and CSV');
  for (const [what, want] of [['processlist=', 'Query'], ['variables=', 'log_bin'], ['status=', 'Uptime']]) {
    await at(what);
    check((await text()).includes(want), true, what);
  }
  await at('processlist=');
  await page.shot('adminer-6-processlist');
  did('process list, variables, status');
}, { noise: [/^asks https:..www.adminer.org.version/, /ERR_[A-Z_]* .https:..www.adminer.org/] }));

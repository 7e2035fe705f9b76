// phpMyAdmin: login, databases, structure, browsing, SQL box, export, status pages.
'use strict';
const fs = require('node:fs');
const { browse, did, check, node, run } = require('./common');
const url = process.argv[3];

run(() => browse(async (page) => {
  const settled = () => page.waitForFunction(() => !document.querySelector('.ajax_notification') && document.readyState === 'complete');
  const text = () => page.innerText('#page_content');
  const at = async (route) => {
    await page.goto(`${url}/index.php?route=${route}&server=1`);
    await page.waitForSelector('#page_content');
    await settled();
    const errors = await page.locator('#page_content .alert-danger:visible, #pma_errors .alert:visible').allInnerTexts();
    check(errors, [], route);
  };
  await page.goto(`${url}/index.php`);
  await page.fill('#input_username', 'root');
  await page.click('#input_go');
  await page.waitForSelector('#pma_navigation');
  await settled();
  check((await text()).includes('8.0.11-TiDB'), true, await text());
  await page.shot('phpmyadmin-1-main');
  did('login, main page');

  await at('/server/databases');
  check((await text()).includes('binlog'), true, 'databases');
  await at('/database/structure&db=binlog');
  check(await page.locator('#tablesForm tbody tr[id^=row_tbl] th').allInnerTexts().then((all) => all.map((s) => s.trim()).filter(Boolean)), ['drainers', 'events', 'positions', 'pumps', 'standbys', 'unresolved'], 'tables');
  await page.shot('phpmyadmin-2-tables');
  await at('/table/structure&db=binlog&table=pumps');
  check((await text()).includes('max_commit_ts') && (await text()).includes('bigint'), true, 'columns');
  check((await text()).includes('PRIMARY'), true, 'index');
  await page.shot('phpmyadmin-3-structure');
  did('databases, tables, structure, indexes');

  await at('/sql&db=binlog&table=pumps&pos=0');
  check((await page.innerText('table.table_results')).includes('408553768673342335'), true, 'rows');
  await page.shot('phpmyadmin-4-browse');
  await at('/table/search&db=binlog&table=pumps');
  did('browse, search form');

  const sql = async (statement) => {
    await at('/database/sql&db=binlog');
    await page.waitForFunction(() => document.querySelector('#sqlquery + .CodeMirror'));
    await page.evaluate((s) => document.querySelector('#sqlquery + .CodeMirror').CodeMirror.setValue(s), statement);
    await page.click('#button_submit_query');
    await page.waitForSelector('#sqlqueryresultsouter .result_query, #sqlqueryresultsouter .alert, .sqlqueryresults .alert');
    await settled();
    return page.innerText('#sqlqueryresultsouter');
  };
  check((await sql("SHOW PUMP STATUS LIKE 'pump%'")).includes('408553768673342237'), true, 'SHOW PUMP STATUS');
  await page.shot('phpmyadmin-5-sql');
  check(/successfully|empty result set/.test(await sql(`CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID '${node}'`)), true, 'CHANGE');
  check((await sql(`SELECT state FROM pumps WHERE node_id = '${node}'`)).includes('Paused'), true, 'state');
  check((await sql('SELECT * FROM nope')).includes("#1146 - Table 'binlog.nope' doesn't exist"), true, 'error');
  did('SQL box: `SHOW PUMP STATUS`, `CHANGE PUMP`, SELECT, an error');

  await at('/table/export&db=binlog&table=pumps&single_table=true');
  const [file] = await Promise.all([page.waitForEvent('download'), page.click('#buttonGo')]);
  const dump = fs.readFileSync(await file.path(), 'utf8');
  check(dump.includes('CREATE TABLE') && dump.includes('408553768673342335') && dump.includes("'pump2'"), true, dump);
  did('export of a table');
  for (const route of ['/server/status', '/server/variables']) await at(route);
  await at('/server/status/processes');
  await page.shot('phpmyadmin-6-processes');
  did('status, processes, variables');
}, { noise: [] }));

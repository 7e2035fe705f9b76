// The page of a demo whose pump an operator pauses and sets online again; pictures of it for the README, light and
// dark. argv[3] is how many points the plot is to have.
'use strict';
const { browse, check, did, host, port, run } = require('./common');
const mysql = require(`${process.env.NODE_CLIENTS}/mysql2/promise`);

async function set(state) {
  const conn = await mysql.createConnection({ host, port: Number(port), user: 'root' });
  await conn.query(`CHANGE PUMP TO NODE_STATE = '${state}' FOR NODE_ID 'pump1'`);
  await conn.end();
}

run(() => browse(async (page) => {
  await page.goto(process.env.PAGE);
  await set('paused');
  await page.waitForSelector('#attention table tbody tr', { timeout: 120000 });
  const { wide, tallest, cure } = await page.evaluate(() => {
    const box = document.querySelector('#attention .wide');
    return {
      wide: box.scrollWidth > box.clientWidth,
      tallest: Math.max(...[...box.querySelectorAll('tbody tr')].map((e) => e.getBoundingClientRect().height)),
      cure: box.querySelector('tbody td:last-child').getBoundingClientRect().right <= window.innerWidth,
    };
  });
  check({ wide, high: tallest > 400, cure }, { wide: false, high: false, cure: true }, `a problem can be read with its cure: a row is ${tallest} high`);
  await page.shot('problems');
  did('problems fit the page');

  await set('online');
  await page.waitForFunction((want) => {
    const lines = [...document.querySelectorAll('.plot path')].map((e) => e.getAttribute('d').split('L').length);
    return lines.length === 2 && Math.min(...lines) >= want && !document.querySelector('#attention table');
  }, Number(process.argv[3]), { timeout: 170000 });
  await page.setViewportSize({ width: 1024, height: 900 });
  const tables = await page.evaluate(() => [...document.querySelectorAll('#tables .wide')].map((box) => [box.scrollWidth, box.clientWidth]));
  check(tables.map(([needed, has]) => needed <= has), [true, true], `pumps and drainers fit a page of 1024 pixels: ${JSON.stringify(tables)}`);
  await page.shot('narrow');
  did('the tables fit');
  await page.setViewportSize({ width: 1180, height: 900 });
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.shot(`page-${colorScheme}`);
  }
  did('pictures of the page');
}, { options: { viewport: { width: 1180, height: 900 } } }));

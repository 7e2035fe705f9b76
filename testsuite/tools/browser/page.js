// The console's own page: nodes, changes without reload, keyboard, screen reader, dark and
// light, narrow, without JavaScript. With "down" as third argument: after PD has gone.
'use strict';
const { browse, did, check, node, host, port, run } = require('./common');
const mysql = require(`${process.env.NODE_CLIENTS}/mysql2/promise`);
const url = process.env.PAGE;
const name = `pump ${node}`;

async function browseLive(page, context) {
  await page.goto(url);
  const nodes = await page.locator('[data-node]').evaluateAll((all) => all.map((e) => `${e.dataset.node} ${e.textContent}`));
  for (const want of ['pump pump1 online', 'pump pump3 offline', 'drainer drainer1 online', `${name} online`]) check(nodes.includes(want), true, `${want} in ${nodes}`);
  did('nodes and states shown');

  await page.keyboard.press('Tab');
  check(await page.evaluate(() => document.activeElement.className), 'skip', 'first focus');
  check(await page.locator('a.skip').evaluate((e) => e.getBoundingClientRect().left >= 0), true, 'the skip link is seen when it has the focus');
  await page.keyboard.press('Enter');
  check(await page.evaluate(() => document.activeElement.id), 'nodes', 'focus after the skip link');
  const order = [];
  for (let i = 0; i < 2; i++) {
    await page.keyboard.press('Tab');
    order.push(await page.evaluate(() => document.activeElement.textContent));
  }
  check(order, ['metrics', 'health'], 'focus order');
  did('keyboard: skip link, focus order');

  await page.evaluate(() => { window.before = true; });
  const conn = await mysql.createConnection({ host, port: Number(port), user: 'root' });
  await conn.query(`CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID '${node}'`);
  await conn.end();
  await page.waitForFunction((n) => document.querySelector(`[data-node="${n}"]`).textContent === 'paused', name);
  check(await page.innerText('#said'), `${name} is paused`, 'said');
  check(await page.locator('#said').evaluate((e) => [e.getAttribute('role'), e.getAttribute('aria-live')]), ['status', 'polite'], 'live region');
  check(await page.evaluate(() => window.before), true, 'not loaded again');
  await page.waitForFunction((n) => document.querySelector('#events').innerText.includes(n), node);
  did('a state changed by SQL appears without reload, is announced, and stands under the events');

  check(await page.locator('table th:not([scope])').count(), 0, 'header cells without scope');
  check(await page.locator('h1').count(), 1, 'h1');
  check(await page.getAttribute('html', 'lang'), 'en', 'language');
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    const colours = await page.evaluate(() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]; });
    check(contrast(...colours) >= 7, true, `${colorScheme}: contrast of ${colours}`);
    await page.shot(`page-${colorScheme}`);
  }
  await page.setViewportSize({ width: 400, height: 740 });
  check(await page.evaluate(() => document.documentElement.scrollWidth <= 400), true, 'fits a narrow screen');
  await page.shot('page-narrow');
  did('dark and light with contrast, narrow screens, table headers');
}

// contrast of two colours as browsers print them, after WCAG.
function contrast(...colours) {
  const [a, b] = colours.map((c) => {
    const [r, g, b] = c.match(/[\d.]+/g).slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  });
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

async function withoutScript(page) {
  await page.goto(url);
  check(await page.locator('[data-node="pump pump1"]').innerText(), 'online', 'without JavaScript');
  check(await page.locator('meta[http-equiv=refresh]').count() > 0, true, 'loads itself again');
  did('works without JavaScript');
}

async function down(page) {
  await page.goto(url);
  await page.waitForSelector('#attention [role=alert]');
  check((await page.innerText('#attention')).includes('The records cannot be read'), true, 'says so');
  check((await page.title()).includes('PD cannot be read'), true, await page.title());
  await page.shot('page-down');
  did('says that PD cannot be read');
}

run(async () => {
  if (process.argv[3] === 'down') return browse(down, { noise: [/status of 50[03]/] });
  await browse(browseLive);
  return browse(withoutScript, { options: { javaScriptEnabled: false } });
});

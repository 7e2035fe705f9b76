// What the browser tests share: a real Chromium with a profile of its own, screenshots, and
// the rule that a page neither complains on the browser's console nor calls other hosts.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { chromium } = require(`${process.env.NODE_CLIENTS}/playwright-core`);

exports.shots = process.argv[2];
exports.did = (what) => console.log('did', what);
exports.check = (got, want, what) => assert.deepStrictEqual(got, want, what);
exports.node = process.env.NODE;
exports.host = process.env.HOST;
exports.port = process.env.PORT;

// browse opens a page and hands it to visit. Noise are patterns of console messages that the
// application under test makes with every server.
exports.browse = async (visit, { options = {}, noise = [] } = {}) => {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium', headless: true, acceptDownloads: true,
    viewport: { width: 1280, height: 900 }, ...options,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  const problems = [];
  context.on('request', (r) => {
    const { protocol, hostname } = new URL(r.url());
    if (!['data:', 'blob:'].includes(protocol) && hostname !== '127.0.0.1') problems.push(`asks ${r.url()}`);
  });
  const page = await context.newPage();
  page.setDefaultTimeout(30000);
  page.on('console', (m) => { if (m.type() === 'error') problems.push(`console: ${m.text()} (${m.location().url})`); });
  page.on('pageerror', (e) => problems.push(`page: ${e}`));
  page.shot = (name) => page.screenshot({ path: path.join(exports.shots, `${name}.png`) });
  try {
    await visit(page, context);
    const real = problems.filter((p) => !noise.some((n) => n.test(p)));
    assert.deepStrictEqual(real, [], 'the page complains');
  } catch (err) {
    await page.shot('failed').catch(() => {});
    const text = await page.evaluate(() => document.body.innerText).catch(() => '');
    console.error(`at ${page.url()}\n${text.slice(0, 3000)}\n${problems.join('\n')}`);
    throw err;
  } finally {
    await context.close();
    fs.rmSync(profile, { recursive: true, force: true });
  }
};

exports.run = (main) => main().catch((err) => { console.error(err); process.exit(1); });

// What the scripts of this directory share: where the console is, and how they tell what they did.
'use strict';
const assert = require('node:assert');

const packages = process.env.NODE_CLIENTS;
exports.load = (name) => {
  console.log('version', require(`${packages}/${name.split('/')[0]}/package.json`).version);
  return require(`${packages}/${name}`);
};
exports.require = (name) => require(`${packages}/${name}`);
exports.at = { host: process.env.HOST, port: Number(process.env.PORT), user: 'root' };
exports.node = process.env.NODE;
exports.did = (what) => console.log('did', what);
exports.check = (got, want, what) => assert.deepStrictEqual(got, want, what);

// fails runs what must end with a MySQL error of that number.
exports.fails = async (errno, run) => {
  try {
    await run();
  } catch (err) {
    const cause = err.errno ? err : err.original || err.driverError || err;
    assert.strictEqual(cause.errno, errno, String(err));
    return;
  }
  assert.fail(`no error ${errno}`);
};

exports.run = (main) => main().catch((err) => { console.error(err); process.exit(1); });

// Package tidbtest gives tests the real TiDB of the years in which it wrote binlogs:
//
//   - [StartTiDB] runs a tidb-server process, with its storage inside ([Unistore]) or with
//     the storage that [StartUnistore] runs ([TiKV]);
//   - [StartPumpClient] runs TiDB's own pump client, driven from the test;
//   - the package golden beside holds what such a server sent to a pump, ready to read
//     without any of these processes.
//
// The programs are built once, by the scripts in testsuite/tidb and testsuite/pumpclient,
// into .cache/bin. Every process ends with the test that started it, by its own pid, and
// when the test has failed the end of its log is shown.
//
// With the storage Unistore, a server has its own time stamps and forgets everything when
// it ends. What depends on the order of commit TS between TiDB and a pump, or on a restart,
// needs TiKV: see testsuite/tidb/FACTS.md.
package tidbtest

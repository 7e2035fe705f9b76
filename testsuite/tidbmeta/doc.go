// Package tidbmeta tests what the drainer makes of TiDB's meta data, against real TiDB servers on
// a storage that speaks TiKV's protocol: package drainer/tikv, and with it what package
// drainer/schema does while a DDL job is running.
package tidbmeta

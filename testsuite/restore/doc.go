// Package restore are the tests of reparo: binlog files, of upstream's drainer and of ours, restored into real
// databases.
package restore

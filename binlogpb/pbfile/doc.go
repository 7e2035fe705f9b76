// Package pbfile holds the messages in the files that the drainer's file sink writes
// and upstream's replay tool reads.
package pbfile

// Package pbfile holds the messages in the files that the drainer's file sink writes
// and the field's replay tool reads.
package pbfile

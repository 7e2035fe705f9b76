// Package tipboracle holds the bytes that upstream's own encoder, tipb's
// go-binlog, makes of the messages a pump handles. Its test writes them to
// binlogpb/testdata/tipb (go test -update), where the tests of package binlogpb
// compare our encoder with them, and checks that the files are still what tipb
// makes.
//
// It is a module of its own, and it does not link package binlogpb, because both
// register the same message names.
package tipboracle

// Command mutations breaks the product on purpose, one place at a time, and runs the tests that must
// notice. What no test notices is promised nowhere but in words.
//
// The lists are the .toml files beside it. Each entry names a file of the product, the tests that must fail
// (arguments of go test), and changes: a text that occurs exactly once in the file, and what takes its
// place. Texts are trimmed; a line break in one matches any white space with a line break in the file.
//
//	[[file]]
//	path  = "pump/gate.go"
//	tests = ["./pump", "-run", "TestGate"]
//	changes = [
//	  ["if g.closed {", "if false {"],
//	]
//
// No file of the tree is touched: tests run in a copy of it, from which what a mutation writes is removed after it
// (tree.go); the go command gets the changed files by -overlay, and programs that tests
// build go into a directory of the run. The tests of a package are built once, with all mutations in them, and run
// with one at a time, the quick ones first (bundle.go); a mutation outside functions has a build of its own.
//
//	go run ./testsuite/mutations [-only regexp] [-slice 1/4] [-parallel 2] [-results file]
//
// prints a line for each mutation: killed, survived, or stale (the text is not there exactly once, or what
// comes of it does not compile), and the score. The exit code is 1 unless 95 % are killed and none is stale.
// With -results each verdict is added to a file at once, and what is killed there is not run again but counted: so a run
// that was interrupted goes on, and one of several hours has one score. Remove the file when the code has changed.
// Tests are run without mutations first; where they fail then, nothing is said about the mutations.
package main

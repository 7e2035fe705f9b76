// Package pdtest runs PDs for tests: the real pd-server, as processes of its own, and
// the embedded one, in the test's process, behind one type, so that a test can say what
// it expects of either ([Both]). [NewView] is the short way for tests that have nodes in
// their own process and leave the PD alone.
//
// The real one is built from testsuite/realpd at the first use, which takes minutes;
// after that it is found in .cache/bin. PDTEST_PD_SERVER names another pd-server binary
// to run instead. A test that cannot get it fails; it is never skipped.
package pdtest

// Package tools runs the SQL tools, drivers and dashboards that operators use against the
// console, each as its own real program, and does with it what a person does. What was
// done stands in SUPPORTED_CLIENTS.md, which these tests write (go test -run
// TestTools -update) and hold up to date.
//
// It needs the packages that testsuite/deps.sh installs: Debian's, and those of npm, PyPI,
// Maven Central and crates.io. Where one of the last three cannot be reached its clients are
// skipped with the reason, and with STRICT=1 they fail.
package tools

// Package tools runs the SQL tools, drivers and dashboards that operators use against the
// console, each as its own real program, and does with it what a person does. What was
// done stands in SUPPORTED_CLIENTS.md, which these tests write (go test -run
// TestTools -update) and hold up to date.
//
// It needs the Debian, npm and PyPI packages that testsuite/deps.sh installs.
package tools

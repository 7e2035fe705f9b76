// Package mariadbtest gives tests a real MariaDB of their own: [Start] makes a data
// directory, runs a mariadbd on a free port of 127.0.0.1 and ends it with the test. The
// server can be stopped, killed and started again with the same data and port.
//
// It needs mariadbd and mariadb-install-db (Debian: mariadb-server); testsuite/deps.sh
// installs them. A test that asks for a server where there is none is skipped and says so; with STRICT=1 it fails.
package mariadbtest

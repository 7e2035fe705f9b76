// Package mysqlsink tests the drainer's mysql sink against real MariaDB servers.
package mysqlsink

// Package compare tests drainer/compare with a real TiDB upstream and a MariaDB downstream.
package compare

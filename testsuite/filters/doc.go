// Package filters has statements of a real TiDB cross a drainer's filters and rules on their way to a
// real MariaDB: what comes downstream, what stops the drainer, and how it goes on.
package filters

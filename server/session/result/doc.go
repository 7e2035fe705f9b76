// Package result holds what the statements of the console are answered with: columns and values, errors with
// MySQL's numbers, and the diagnostics area, which SHOW WARNINGS shows. It knows no statement.
package result

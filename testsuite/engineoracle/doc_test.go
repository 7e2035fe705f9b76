// Package engineoracle compares the evaluator of package engine with a real MariaDB:
// every query of the tables here runs on both, and rows, column names, types and error
// numbers must agree. What differs on purpose is listed with its reason.
//
// It needs the mariadbd program: in PATH, or named by PUMPHOUSE_MARIADBD. Without it the
// tests are skipped and say so.
package engineoracle

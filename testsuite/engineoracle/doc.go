// Package engineoracle compares the evaluator of package engine with a real MariaDB:
// every query of the tables here runs on both, and rows, error numbers, warnings, and what the
// protocol says of columns must agree: name, type (of integers also whether INT or BIGINT), sign,
// length, decimals, whether NULL is allowed. What differs on purpose is listed with both answers and
// the reason. Random queries, other ones on each run, must agree in all but lengths, and an integer's
// type must be wide enough for its length.
//
// Without MariaDB's server the tests are skipped and say so.
package engineoracle

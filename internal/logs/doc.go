// Package logs is how every program logs: the formats, the file with its rotation, and two small
// helpers for what would otherwise fill a log or leave it empty, problems that repeat
// ([Repeated]) and steps that take long ([Steps]).
package logs

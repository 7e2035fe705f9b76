package schema

import "errors"

var (
	// ErrBadJob: a job's JSON or what it says cannot be used.
	ErrBadJob = errors.New("schema: unusable DDL job")
	// ErrNoJob: the source has no such job, or it has not ended yet.
	ErrNoJob = errors.New("schema: no such DDL job in the history")
	// ErrNoTable: rows of a table nobody has heard of.
	ErrNoTable = errors.New("schema: unknown table")
)

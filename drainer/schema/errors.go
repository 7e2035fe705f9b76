package schema

import "errors"

var (
	// ErrBadJob means: a job's JSON or what it says cannot be used.
	ErrBadJob = errors.New("schema: unusable DDL job")
	// ErrNoJob means: the source has no such job, or it has not ended yet.
	ErrNoJob = errors.New("schema: no such DDL job in the history")
	// ErrNoMeta means: what the meta data said at a time is not known any more.
	ErrNoMeta = errors.New("schema: the meta data of that time are gone")
	// ErrNoTable means: rows of a table nobody has heard of.
	ErrNoTable = errors.New("schema: unknown table")
	// errIncomplete: a job needs what no job before it has made.
	errIncomplete = errors.New("the DDL history lacks the job that made it")
)

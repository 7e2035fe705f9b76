package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"pumphouse/drainer/binlogfile"
	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// Range are the binlogs of a directory between two commit TSs, both included.
type Range struct {
	Dir   string
	Start nodes.TSO // 0: from the first one in the files
	Stop  nodes.TSO // 0: to the last one
}

// source are the files of a range.
type source struct {
	Range
	files []binlogfile.File
	bytes int64     // of the files, as they are on disk
	first nodes.TSO // of all files of the directory
	torn  *binlogfile.DamageError
}

// record is a record of a file.
type record struct {
	binlogfile.Record
	read int64 // bytes of the files up to its end
	// early: it is a statement that the next record's rows need, and has the commit TS of the record before.
	early bool
}

// open finds the files that may have something of the range. Errors name the file that is missing or
// damaged, or the commit TS from which on there are files.
func (r Range) open() (*source, error) {
	all, err := binlogfile.List(disk.OS{}, r.Dir)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there are no binlog files in %s: give the directory that a drainer with db-type = \"file\" has written to", r.Dir)
	}
	first := make([]nodes.TSO, len(all)) // 0: the file is empty
	begin, end := 0, len(all)
	for i, f := range all {
		if first[i], err = firstOf(f, i == len(all)-1); err != nil {
			return nil, err
		}
		switch {
		case first[i] == 0:
		case first[i] < r.Start:
			begin = i // what is before it is older
		case r.Stop > 0 && first[i] > r.Stop:
			end = min(end, i)
		}
	}
	if first[0] > r.Start && r.Start > 0 && all[0].Number > 0 {
		return nil, fmt.Errorf("the files in %s begin with commit TS %s (%s), and files before that are gone: what was committed after the start, %s, may be missing. "+
			"Restore the files from a copy, or start with a newer dump", r.Dir, first[0], first[0].Time(), r.Start)
	}
	s := &source{Range: r, files: all[min(begin, end):end], first: first[0]}
	for i, f := range s.files {
		if i > 0 && f.Number > s.files[i-1].Number+1 {
			return nil, fmt.Errorf("binlog file number %d is missing in %s, between %s and %s: restore it from a copy", s.files[i-1].Number+1, r.Dir, s.files[i-1].Path, f.Path)
		}
		info, err := os.Stat(f.Path)
		if err != nil {
			return nil, err
		}
		s.bytes += info.Size()
	}
	return s, nil
}

// firstOf is the commit TS of a file's first record, 0 if it has none.
func firstOf(f binlogfile.File, newest bool) (nodes.TSO, error) {
	r, err := binlogfile.Open(f.Path)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	rec, err := r.Next()
	var damage *binlogfile.DamageError
	switch {
	case errors.Is(err, io.EOF), newest && errors.As(err, &damage) && damage.Torn:
		return 0, nil
	case err != nil:
		return 0, err
	}
	return rec.CommitTS(), nil
}

// each calls do with the records of the range that are newer than all before them. Others were written twice,
// but for early statements.
func (s *source) each(ctx context.Context, do func(record) error) error {
	var last nodes.TSO
	var statement string // of the record with commit TS last
	var before int64
	for i, f := range s.files {
		info, err := os.Stat(f.Path)
		if err != nil {
			return err
		}
		err = binlogfile.Each(f.Path, func(rec binlogfile.Record) error {
			ts, text := rec.CommitTS(), rec.Statement()
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case ts < last, ts == last && (text == "" || text == statement):
				return nil
			}
			next := record{rec, before + min(rec.End(), info.Size()), ts == last}
			last, statement = ts, text
			switch {
			case ts < s.Start:
				return nil
			case s.Stop > 0 && ts > s.Stop:
				return errDone
			}
			return do(next)
		})
		var damage *binlogfile.DamageError
		switch {
		case errors.Is(err, errDone):
			return nil
		case i == len(s.files)-1 && errors.As(err, &damage) && damage.Torn && !f.Compressed():
			s.torn = damage
		case errors.As(err, &damage):
			return fmt.Errorf("%w: restore the file from a copy", err)
		case err != nil:
			return err
		}
		before += info.Size()
	}
	return nil
}

// errDone says that the end of the range is reached.
var errDone = errors.New("the end of the range")

// Print writes the range's binlogs as text, as [binlogfile.Print] has it. keep reports whether a table's rows
// are wanted; nil: all are. Statements are printed whatever they are about.
func Print(ctx context.Context, w io.Writer, r Range, keep func(schema, table string) bool) error {
	s, err := r.open()
	if err != nil {
		return err
	}
	err = s.each(ctx, func(rec record) error { return binlogfile.PrintRecord(w, rec.Record, keep) })
	if err == nil && s.torn != nil {
		_, err = fmt.Fprintf(w, "# %v\n", s.torn)
	}
	return cmp.Or(err, context.Cause(ctx))
}

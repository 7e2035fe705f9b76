package schema

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/disk"
	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// Saved is a file with the definitions at a position, and which jobs they were made of, so that the next
// [Open] need not read those jobs again. It is never needed: whatever is wrong with it is logged, and the whole history is read.
//
// What is in it is used if it is whole, of this cluster, not newer than the position, and if the history has every job
// that the definitions were made of; the newest of them is read and has to be the one that it was. Jobs of the history
// that are not among them are read, whatever their ID: one that took long may have a small one. Filters do not matter,
// since a History has the tables that they leave out, too.
type Saved struct {
	FS      disk.FS // default [disk.OS]
	Path    string
	Cluster uint64
	After   int                // how many jobs have to be read at a start before definitions are saved, default 1,000
	Logger  logrus.FieldLogger // default: nothing is logged
}

// Lister is a [Source] that can say which jobs it has without reading them.
type Lister interface {
	// JobIDs are the IDs of the jobs in the history, ascending.
	JobIDs(ctx context.Context) ([]int64, error)
}

// saveAfter is the default of [Saved].After: to read fewer takes a moment.
const saveAfter = 1000

// The file: savedMagic, the CRC-32C of what follows the head (uint32, little-endian), and as many sections as
// follow, each with its length (uint32) before it, in gob: a savedHead, and the tables in pieces that are decoded in parallel.
const (
	savedMagic     = "pumphouse schema 1\n"
	savedHeadBytes = len(savedMagic) + 4
)

var savedCRC = crc32.MakeTable(crc32.Castagnoli)

// savedHead is what is in the file beside the tables.
type savedHead struct {
	Cluster   uint64
	At        nodes.TSO // the jobs that had ended at or before it
	Jobs      []int64   // all of them, ascending, those that failed too: each less the one before
	Finished  nodes.TSO // of the last one in the list
	Version   int64     // see Tables
	Newest    nodes.TSO // Tables.finished
	Dropped   []int64
	Databases []savedDatabase
	Types     []string // of columns, TiDB's JSON
}

type savedDatabase struct {
	ID                     int64
	Name, Charset, Collate string
}

// baseline is where a History begins.
type baseline struct {
	tables *Tables
	jobs   []int64 // those that are in tables, ascending
	first  int64   // the jobs that are not are larger than this one

	// What has been read since.
	fresh    []int64
	last     int64     // the job with the largest ID in jobs and fresh,
	finished nodes.TSO // and when it ended
}

// add notes that a job is in the tables.
func (b *baseline) add(job *Job) {
	b.fresh = append(b.fresh, job.ID)
	if job.ID > b.last {
		b.last, b.finished = job.ID, job.Result.FinishedTS
	}
}

// has reports whether a job is in the tables.
func (b *baseline) has(id int64) bool {
	_, found := slices.BinarySearch(b.jobs, id)
	return found
}

// load gives what the file has for a position; no tables and no jobs if it has nothing.
func (s *Saved) load(ctx context.Context, source Source, at nodes.TSO) (*baseline, error) {
	none := &baseline{tables: newTables()}
	list, ok := source.(Lister)
	if s == nil || !ok {
		return none, nil
	}
	head, tables, err := s.read()
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	var ids []int64
	if err == nil {
		err = s.fits(head, at)
	}
	if err == nil {
		if ids, err = list.JobIDs(ctx); err != nil {
			return nil, fmt.Errorf("list the DDL history: %w", err)
		}
		err = head.covers(ctx, source, ids)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		s.log().WithError(err).Warn("the saved table definitions are not used: the whole DDL history is read")
		return none, nil
	}
	b := &baseline{tables: tables, jobs: head.Jobs, first: ids[len(ids)-1], last: head.Jobs[len(head.Jobs)-1], finished: head.Finished}
	for i, id := range ids {
		if i >= len(head.Jobs) || head.Jobs[i] != id { // the first that is not in both
			b.first = id - 1
			break
		}
	}
	s.log().WithFields(logrus.Fields{"commit_ts": head.At, "jobs": len(head.Jobs), "read": len(ids) - len(head.Jobs)}).Info("saved table definitions are used")
	return b, nil
}

func (s *Saved) log() logrus.FieldLogger {
	return logs.OrSilent(s.Logger).WithField("file", s.Path)
}

// fits says why what was saved is not for a position of this cluster.
func (s *Saved) fits(head *savedHead, at nodes.TSO) error {
	switch {
	case head.Cluster != s.Cluster:
		return fmt.Errorf("they are of cluster %d, this is %d", head.Cluster, s.Cluster)
	case head.At > at:
		return fmt.Errorf("they are of commit TS %s (%s), later than the checkpoint %s (%s)",
			head.At, head.At.Time().Format(time.RFC3339), at, at.Time().Format(time.RFC3339))
	}
	return nil
}

// covers says why a history is not the one that was saved, with some more jobs.
func (head *savedHead) covers(ctx context.Context, source Source, ids []int64) error {
	i := 0
	for _, id := range head.Jobs {
		for i < len(ids) && ids[i] < id {
			i++
		}
		if i == len(ids) || ids[i] != id {
			return fmt.Errorf("DDL job %d, which they were made of, is not in the history any more", id)
		}
	}
	last := head.Jobs[len(head.Jobs)-1]
	job, err := source.Job(ctx, last)
	if err == nil && job.Result.FinishedTS != head.Finished {
		err = fmt.Errorf("DDL job %d of the history ended at %s, the one that they were made of at %s", last, job.Result.FinishedTS, head.Finished)
	}
	return err
}

// read reads the file. The tables are as [Tables.apply] left them.
func (s *Saved) read() (*savedHead, *Tables, error) {
	b, err := disk.ReadFile(s.disk(), s.Path)
	switch {
	case err != nil:
		return nil, nil, err
	case len(b) < savedHeadBytes || string(b[:len(savedMagic)]) != savedMagic:
		return nil, nil, errors.New("the file is of another version, or none of ours")
	case crc32.Checksum(b[savedHeadBytes:], savedCRC) != binary.LittleEndian.Uint32(b[len(savedMagic):]):
		return nil, nil, errors.New("the file is damaged: its checksum is wrong")
	}
	var sections [][]byte
	for b = b[savedHeadBytes:]; len(b) > 0; {
		if len(b) < 4 || uint64(len(b)-4) < uint64(binary.LittleEndian.Uint32(b)) {
			return nil, nil, errors.New("the file is damaged: a section ends after the file")
		}
		n := 4 + int(binary.LittleEndian.Uint32(b))
		sections, b = append(sections, b[4:n]), b[n:]
	}
	head := new(savedHead)
	if len(sections) == 0 {
		return nil, nil, errors.New("the file has no sections")
	}
	if err := gob.NewDecoder(bytes.NewReader(sections[0])).Decode(head); err != nil {
		return nil, nil, fmt.Errorf("the file cannot be read: %w", err)
	}
	if len(head.Jobs) == 0 {
		return nil, nil, errors.New("the file names no jobs")
	}
	last := int64(0)
	for i, d := range head.Jobs {
		last += d
		head.Jobs[i] = last
	}
	tables, err := head.tables(sections[1:])
	if err != nil {
		return nil, nil, fmt.Errorf("the file cannot be read: %w", err)
	}
	return head, tables, nil
}

func (s *Saved) disk() disk.FS {
	if s.FS != nil {
		return s.FS
	}
	return disk.OS{}
}

// keep writes the file if that spares the next start much.
func (s *Saved) keep(at nodes.TSO, b *baseline, tables *Tables) {
	if s == nil || len(b.fresh) < cmp.Or(s.After, saveAfter) {
		return
	}
	jobs := slices.Concat(b.jobs, b.fresh)
	slices.Sort(jobs)
	if err := s.write(at, jobs, b.finished, tables); err != nil {
		s.log().WithError(err).Warn("table definitions are not saved: the next start reads the DDL history again")
		return
	}
	s.log().WithFields(logrus.Fields{"commit_ts": at, "jobs": len(jobs)}).Info("table definitions are saved for the next start")
}

// write replaces the file.
func (s *Saved) write(at nodes.TSO, jobs []int64, finished nodes.TSO, tables *Tables) error {
	head := &savedHead{Cluster: s.Cluster, At: at, Finished: finished, Version: tables.version, Newest: tables.finished}
	last := int64(0)
	for _, id := range jobs {
		head.Jobs = append(head.Jobs, id-last)
		last = id
	}
	pieces, err := head.add(tables)
	if err != nil {
		return err
	}
	var content bytes.Buffer
	content.WriteString(savedMagic)
	content.Write(make([]byte, 4))
	for i, v := range append([]any{head}, pieces...) {
		at := content.Len()
		content.Write(make([]byte, 4))
		if err := gob.NewEncoder(&content).Encode(v); err != nil {
			return fmt.Errorf("section %d: %w", i, err)
		}
		binary.LittleEndian.PutUint32(content.Bytes()[at:], uint32(content.Len()-at-4))
	}
	b := content.Bytes()
	binary.LittleEndian.PutUint32(b[len(savedMagic):], crc32.Checksum(b[savedHeadBytes:], savedCRC))
	return disk.WriteFile(s.disk(), s.Path, b, 0o640)
}

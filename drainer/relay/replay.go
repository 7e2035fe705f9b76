package relay

import (
	"context"
	"errors"
	"fmt"
	"os"

	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/message"
	"pumphouse/drainer/sink"
	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// Last is the commit TS of the last transaction in a relay log, 0 if there is none.
func Last(dir string) (nodes.TSO, error) {
	found, err := scan(disk.OS{}, dir, 0)
	if err != nil {
		return 0, fmt.Errorf("relay log: %w", err)
	}
	return found.last, nil
}

// contents is what a directory holds.
type contents struct {
	fs    disk.FS
	files []ended
	last  nodes.TSO // commit TS of the last transaction
	next  uint64    // number of the next new file
	torn  *binlogfile.DamageError
	chain chain
}

// scan reads a directory through, from which a checkpoint is to be continued. A torn tail is no
// error, other damage is.
func scan(fsys disk.FS, dir string, from nodes.TSO) (*contents, error) {
	found := &contents{fs: fsys, chain: chain{at: from}}
	paths, err := binlogfile.FilesOn(fsys, dir)
	if errors.Is(err, os.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	found.chain.whole = len(paths) > 0 && number(paths[0]) == 0
	for i, path := range paths {
		found.next = max(found.next, number(path)+1)
		last := found.last
		err := binlogfile.EachOn(fsys, path, func(r binlogfile.Record) error {
			last = max(last, r.CommitTS())
			found.chain.add(i, r)
			return nil
		})
		var damage *binlogfile.DamageError
		if errors.As(err, &damage) && i == len(paths)-1 {
			found.torn, err = damage, tail(fsys, damage)
		}
		if err != nil {
			return nil, err
		}
		found.files = append(found.files, ended{path, last})
		found.last = last
	}
	return found, nil
}

// tail is the error of damage that is no torn tail, as a crash leaves it in the newest file: no
// whole record follows it then.
func tail(fsys disk.FS, d *binlogfile.DamageError) error {
	at, err := d.NextRecord(fsys)
	if err != nil || at == 0 {
		return err
	}
	return fmt.Errorf("%w: a whole transaction follows that, at byte %d, so no crash did it: "+
		"restore the file from a copy, or move the directory away (what was on its way downstream when the upstream was lost stays half done)", d, at)
}

// replay applies the transactions that follow from without a gap, and returns when they are downstream for good: the
// commit TS of the last one, or from when there is none. It changes nothing in the directory; what it does before an
// error may be downstream. keep gives what of a transaction is to be applied, nil: nothing.
func (c *contents) replay(ctx context.Context, from nodes.TSO, inner sink.Sink, keep func(*sink.Txn) *sink.Txn) (nodes.TSO, error) {
	at := from
	for _, f := range c.files {
		if f.last <= from {
			continue
		}
		if at >= c.chain.at {
			break // what is left comes after a gap
		}
		p := &player{ctx: ctx, inner: inner, keep: keep, dec: message.NewDecoder(), at: at, until: c.chain.at, handed: at}
		err := binlogfile.EachOn(c.fs, f.path, p.record)
		var damage *binlogfile.DamageError
		if errors.As(err, &damage) && c.torn != nil && damage.File == c.torn.File && damage.Offset == c.torn.Offset {
			err = nil
		}
		if err == nil {
			err = p.flush()
		}
		if at = p.at; err != nil {
			return at, fmt.Errorf("relay log: apply %s again: %w", f.path, err)
		}
	}
	return at, nil
}

// player applies the records of one file.
type player struct {
	ctx    context.Context
	inner  sink.Sink
	keep   func(*sink.Txn) *sink.Txn // nil: everything
	dec    *message.Decoder
	at     nodes.TSO // everything up to there was handed over or is in batch
	until  nodes.TSO // nothing after it is to be applied
	handed nodes.TSO // everything up to there was handed over
	batch  sink.Batch
	bytes  int
}

// A batch is handed over when it has so many transactions or bytes.
const (
	batchTxns  = 256
	batchBytes = 4 << 20
)

func (p *player) record(r binlogfile.Record) error {
	// Also what is not applied: it may have definitions for what follows.
	t, err := p.dec.Decode(r.Payload)
	if err != nil {
		return fmt.Errorf("the record at byte %d: %w", r.Offset, err)
	}
	if t.CommitTS <= p.at || t.CommitTS > p.until {
		return nil
	}
	p.at = t.CommitTS
	if p.keep != nil {
		if t = p.keep(t); t == nil {
			return nil
		}
	}
	p.batch.Txns = append(p.batch.Txns, t)
	if p.bytes += len(r.Payload); len(p.batch.Txns) >= batchTxns || p.bytes >= batchBytes {
		return p.apply()
	}
	return nil
}

func (p *player) apply() error {
	if p.handed == p.at {
		return nil
	}
	p.batch.Passed = p.at
	err := p.inner.Apply(p.ctx, p.batch)
	p.batch, p.bytes, p.handed = sink.Batch{}, 0, p.at
	return err
}

// flush ends a file. Definitions without IDs of one file are not those of the next, so the next
// has to wait.
func (p *player) flush() error {
	if err := p.apply(); err != nil {
		return err
	}
	return p.inner.Flush(p.ctx)
}

package relay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/file"
	"pumphouse/drainer/sink/kafka/message"
	"pumphouse/nodes"
)

// Replay applies the transactions of a relay log that are behind from, and returns when they are
// downstream for good: the commit TS of the last one, or from when there is none. It changes
// nothing in dir. What it does before an error may be downstream.
func Replay(ctx context.Context, dir string, from nodes.TSO, inner sink.Sink) (nodes.TSO, error) {
	found, err := scan(dir)
	if err != nil {
		return from, fmt.Errorf("relay log: %w", err)
	}
	return found.replay(ctx, from, inner)
}

// contents is what a directory holds.
type contents struct {
	files []ended
	last  nodes.TSO // commit TS of the last transaction
	next  uint64    // number of the next new file
	torn  *file.DamageError
}

// scan reads a directory through. A torn tail is no error, other damage is.
func scan(dir string) (*contents, error) {
	found := &contents{}
	paths, err := file.Files(dir)
	if errors.Is(err, os.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	for i, path := range paths {
		found.next = max(found.next, number(path)+1)
		last := found.last
		err := file.Each(path, func(r file.Record) error {
			if ts := r.CommitTS(); ts > last {
				last = ts
			}
			return nil
		})
		var damage *file.DamageError
		if errors.As(err, &damage) && i == len(paths)-1 {
			found.torn, err = damage, tail(damage)
		}
		if err != nil {
			return nil, err
		}
		found.files = append(found.files, ended{path, last})
		found.last = last
	}
	return found, nil
}

// number is that of a file.
func number(path string) uint64 {
	digits, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), "binlog-"), "-")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0 // a name of an old form; those of new files differ in the time
	}
	return n
}

// tail tells whether damage is a torn tail, as a crash leaves it in the newest file: no whole
// record is behind it. Else it is the error.
func tail(d *file.DamageError) error {
	at, err := d.Behind()
	if err != nil || at == 0 {
		return err
	}
	return fmt.Errorf("%w: a whole transaction is behind that, at byte %d, so no crash did it: "+
		"restore the file from a copy, or move the directory away (what was on its way downstream when the upstream was lost stays half done)", d, at)
}

// replay is Replay.
func (c *contents) replay(ctx context.Context, from nodes.TSO, inner sink.Sink) (nodes.TSO, error) {
	at := from
	for _, f := range c.files {
		if f.last <= from {
			continue
		}
		p := &player{ctx: ctx, inner: inner, dec: message.NewDecoder(), from: at}
		err := file.Each(f.path, p.record)
		var damage *file.DamageError
		if errors.As(err, &damage) && c.torn != nil && damage.File == c.torn.File && damage.Offset == c.torn.Offset {
			err = nil
		}
		if err == nil {
			err = p.flush()
		}
		if at = p.at(); err != nil {
			return at, fmt.Errorf("relay log: apply %s again: %w", f.path, err)
		}
	}
	return at, nil
}

// player applies the records of one file.
type player struct {
	ctx   context.Context
	inner sink.Sink
	dec   *message.Decoder
	from  nodes.TSO // everything up to there is not to be applied
	batch sink.Batch
	bytes int
	last  nodes.TSO
}

// A batch is handed over when it has so many transactions or bytes.
const (
	batchTxns  = 256
	batchBytes = 4 << 20
)

func (p *player) record(r file.Record) error {
	// Also what is not applied: it may have definitions for what follows.
	t, err := p.dec.Decode(r.Payload)
	if err != nil {
		return fmt.Errorf("the record at byte %d: %w", r.Offset, err)
	}
	if t.CommitTS <= max(p.from, p.last) {
		return nil
	}
	p.last = t.CommitTS
	p.batch.Txns = append(p.batch.Txns, t)
	if p.bytes += len(r.Payload); len(p.batch.Txns) >= batchTxns || p.bytes >= batchBytes {
		return p.hand()
	}
	return nil
}

func (p *player) hand() error {
	if len(p.batch.Txns) == 0 {
		return nil
	}
	p.batch.Passed = p.last
	err := p.inner.Apply(p.ctx, p.batch)
	p.batch, p.bytes = sink.Batch{}, 0
	return err
}

// flush ends a file. Definitions without IDs of one file are not those of the next, so the next
// has to wait.
func (p *player) flush() error {
	if err := p.hand(); err != nil {
		return err
	}
	return p.inner.Flush(p.ctx)
}

func (p *player) at() nodes.TSO { return max(p.from, p.last) }

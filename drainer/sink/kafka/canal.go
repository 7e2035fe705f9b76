package kafka

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"pumphouse/drainer/canaljson"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// canal is what Apply needs to write Canal-JSON.
type canal struct {
	enc    *canaljson.Encoder
	layout string // of the marks; see markOf
	// have is up to which commit TS each partition has everything from before, by its number.
	have  []nodes.TSO
	held  []*outgoing // for each partition the last message of the transaction so far
	group int         // of the next message

	watermark nodes.TSO // the last one
	written   time.Time // when it was written
}

func newCanal(opts Options) *canal {
	return &canal{enc: canaljson.NewEncoder(opts.TimeZone, opts.Extension)}
}

// begin takes over what the topic is like.
func (c *canal) begin(opts Options, have []nodes.TSO) {
	c.layout = opts.layout(len(have))
	c.have, c.held = have, make([]*outgoing, len(have))
	for _, ts := range have {
		c.watermark = max(c.watermark, ts)
	}
}

// layout is the beginning of the marks of a drainer that spreads rows in this way.
func (o Options) layout(partitions int) string {
	if o.mark() == "" {
		return ""
	}
	return fmt.Sprintf("%s%s/%d/", o.canalMark(), cmp.Or(o.Partition, ByTable), partitions)
}

// canalMark is the beginning of the marks of a drainer that writes Canal-JSON.
func (o Options) canalMark() string { return o.mark() + "/" + ProtocolCanalJSON + "/" }

// markOf is the mark of a message after which its partition has everything up to a commit TS.
func (c *canal) markOf(upTo nodes.TSO) string {
	if c.layout == "" {
		return ""
	}
	return c.layout + upTo.String()
}

// upTo reads a mark; false if it is not of a drainer that spreads rows in this way.
func (c *canal) upTo(mark string) (nodes.TSO, bool) {
	text, ok := strings.CutPrefix(mark, c.layout)
	if !ok || c.layout == "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return nodes.TSO(n), err == nil
}

// applyCanal hands a transaction's rows and statements to the sender, one message each. Of each partition it holds the last
// message back until the next comes, so that its mark can say whether the partition then has the whole transaction.
func (s *Sink) applyCanal(ctx context.Context, t *sink.Txn) error {
	c := s.canal
	list := t.Records(s.last)
	if t.CommitTS > c.have[0] {
		list = s.left(t)
	}
	for i, rec := range list {
		s.last = rec.CommitTS
		if rec.DDL != nil {
			if err := s.applyStatement(ctx, t, rec, i == len(list)-1); err != nil {
				return err
			}
			continue
		}
		err := rec.Each(func(change *txn.Change) error {
			split, err := c.enc.Split(change)
			if err != nil {
				return s.fail(unencoded(t, err))
			}
			for _, change := range split {
				if err := s.applyRow(ctx, t, change); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return s.release(ctx, t)
}

func unencoded(t *sink.Txn, err error) error {
	return fmt.Errorf("the transaction with commit TS %s: %w", t.CommitTS, err)
}

// applyRow hands over the message of a row, once the next one of its partition is there.
func (s *Sink) applyRow(ctx context.Context, t *sink.Txn, change *txn.Change) error {
	c := s.canal
	hash, err := c.enc.Hash(change, s.opts.Partition == ByIndexValue)
	if err != nil {
		return s.fail(unencoded(t, err))
	}
	p := int32(hash % uint32(len(c.have)))
	if t.CommitTS <= c.have[p] {
		return nil
	}
	m := &outgoing{commitTS: t.CommitTS, partition: p, part: true, group: c.group, table: change.Table.String()}
	if m.value, err = c.enc.Row(t.CommitTS, change); err != nil {
		return s.fail(unencoded(t, err))
	}
	if limit := s.limits.message; limit > 0 && len(m.value) > limit {
		large := tooLarge(s.opts, m, limit)
		if s.opts.LargeMessages != LargeKeyOnly {
			return s.fail(large)
		}
		if m.value, err = c.enc.KeyOnly(t.CommitTS, change); err != nil {
			return s.fail(fmt.Errorf("%w; its key alone: %w", large, err))
		}
		if len(m.value) > limit {
			large = tooLarge(s.opts, m, limit)
			large.KeyOnly = true
			return s.fail(large)
		}
	}
	before := c.held[p]
	c.held[p] = m
	if before == nil {
		return nil
	}
	before.mark = c.markOf(t.CommitTS - 1)
	return s.enqueue(ctx, before)
}

// release hands over what is held back of a transaction that ends.
func (s *Sink) release(ctx context.Context, t *sink.Txn) error {
	c := s.canal
	var last *outgoing
	for p, m := range c.held {
		if m == nil {
			continue
		}
		c.held[p] = nil
		m.mark = c.markOf(t.CommitTS)
		if last != nil {
			if err := s.enqueue(ctx, last); err != nil {
				return err
			}
		}
		last = m
	}
	if last == nil {
		return nil
	}
	last.part = false
	return s.enqueue(ctx, last)
}

// applyStatement hands over the message of a statement, which goes to partition 0 like TiCDC's. What is before it in other
// partitions is acknowledged before it is sent, and it before what comes after. With the extension, all partitions get
// watermarks on both sides of it. whole: the transaction has nothing else.
func (s *Sink) applyStatement(ctx context.Context, t, rec *sink.Txn, whole bool) error {
	c := s.canal
	if t.CommitTS <= c.have[0] {
		return nil
	}
	if err := s.watermark(ctx, rec.CommitTS-1, true); err != nil {
		return err
	}
	c.group++
	m := &outgoing{commitTS: t.CommitTS, value: c.enc.DDL(rec), part: !whole, group: c.group, mark: c.markOf(t.CommitTS - 1)}
	if whole {
		m.mark = c.markOf(t.CommitTS)
	}
	c.group++
	if limit := s.limits.message; limit > 0 && len(m.value) > limit {
		return s.fail(tooLarge(s.opts, m, limit))
	}
	if err := s.enqueue(ctx, m); err != nil {
		return err
	}
	return s.watermark(ctx, rec.CommitTS, true)
}

// watermark writes to all partitions that everything up to a commit TS has been sent, when that is acknowledged: mostly if it has not been
// done for a while. Watermarks never go back.
func (s *Sink) watermark(ctx context.Context, ts nodes.TSO, now bool) error {
	c := s.canal
	if !s.opts.Extension || ts <= c.watermark || !now && time.Since(c.written) < s.opts.WatermarkEvery {
		return nil
	}
	c.group++
	value := c.enc.Watermark(ts)
	for p := range c.have {
		m := &outgoing{commitTS: ts, partition: int32(p), value: value, group: c.group, part: true, mark: c.markOf(ts)}
		if err := s.enqueue(ctx, m); err != nil {
			return err
		}
	}
	c.watermark, c.written = ts, time.Now()
	return nil
}

// foundCanal is what left compares with, of a message: the statement that it has.
func foundCanal(value []byte) string {
	var m struct {
		Database, SQL string
		IsDDL         bool
	}
	if err := json.Unmarshal(value, &m); err != nil || !m.IsDDL {
		return ""
	}
	return m.Database + " " + m.SQL
}

package tidbtest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Types of a binlog that PumpClient.Write takes.
const (
	Prewrite = "prewrite"
	Commit   = "commit"
	Rollback = "rollback"
)

// Connect says how a PumpClient finds its pumps.
type Connect struct {
	PD       string        // PD's client URLs (or host:port), separated by commas
	Strategy string        // "range" (default, as in TiDB) or "hash"
	Timeout  time.Duration // of one write to one pump; 0 = TiDB's 15 s
	CA       string        // PEM files; empty = no TLS
	Cert     string
	Key      string
}

// Write is one binlog for a PumpClient.
type Write struct {
	Type     string `json:"tp"` // Prewrite, Commit, Rollback
	StartTS  int64  `json:"start_ts"`
	CommitTS int64  `json:"commit_ts,omitempty"`
	Key      []byte `json:"key,omitempty"`   // of a prewrite: the transaction's primary key
	Value    []byte `json:"value,omitempty"` // of a prewrite: the marshalled PrewriteValue
	DDLQuery []byte `json:"ddl_query,omitempty"`
	DDLJobID int64  `json:"ddl_job_id,omitempty"`
	DDLState int32  `json:"ddl_schema_state,omitempty"`
}

// Pump is what a PumpClient knows of one pump.
type Pump struct {
	NodeID    string `json:"node_id"`
	Addr      string `json:"addr"`
	State     string `json:"state"`
	Available bool   `json:"available"` // the client chooses among these
	Errors    int64  `json:"errors"`    // writes that failed in a row
}

// PumpClient is TiDB's own pump client in a process of its own. Its methods may be called
// at the same time.
type PumpClient struct {
	process *process
	in      io.WriteCloser

	mu      sync.Mutex // guards the rest
	next    int64
	waiting map[int64]chan pumpAnswer
	closed  error // why no answer will come any more
}

// pumpAnswer is a line of the program's output; see testsuite/pumpclient.
type pumpAnswer struct {
	ID        int64  `json:"id"`
	Error     string `json:"error"`
	ElapsedUS int64  `json:"elapsed_us"`
	ClusterID uint64 `json:"cluster_id"`
	Pumps     []Pump `json:"pumps"`
}

// StartPumpClient runs the client and connects it; there must be a pump record in PD.
func StartPumpClient(t testing.TB, o Connect) *PumpClient {
	t.Helper()
	c := runPumpClient(t)
	if err := c.connect(context.Background(), o); err != nil {
		t.Fatalf("connect TiDB's pump client: %v", err)
	}
	return c
}

// runPumpClient starts the process and the reader of its answers.
func runPumpClient(t testing.TB) *PumpClient {
	t.Helper()
	c := &PumpClient{waiting: make(map[int64]chan pumpAnswer)}
	dir := t.TempDir()
	fromChild, toUs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	toChild, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.in = in
	cmd := exec.Command(binary(t, "testsuite/pumpclient/build.sh"))
	cmd.Stdin, cmd.Stdout = toChild, toUs
	c.process = launch(t, "pumpclient", dir, time.Second, cmd)
	toUs.Close()
	toChild.Close()
	t.Cleanup(func() { in.Close() })
	go c.read(fromChild)
	return c
}

func (c *PumpClient) connect(ctx context.Context, o Connect) error {
	_, err := c.call(ctx, struct {
		Op       string `json:"op"`
		PD       string `json:"pd"`
		Strategy string `json:"strategy"`
		Timeout  int64  `json:"timeout_ms"`
		CA       string `json:"ca"`
		Cert     string `json:"cert"`
		Key      string `json:"cert_key"`
	}{"connect", hostPorts(o.PD), o.Strategy, o.Timeout.Milliseconds(), o.CA, o.Cert, o.Key})
	return err
}

// Write writes one binlog and answers how long the client took for it, all its retries
// included, and with which error it ended. A prewrite is retried for about 15 s (or the
// Timeout), a commit or rollback for ten minutes, and that never ends in an error.
func (c *PumpClient) Write(ctx context.Context, w Write) (time.Duration, error) {
	a, err := c.call(ctx, struct {
		Op string `json:"op"`
		Write
	}{"write", w})
	return time.Duration(a.ElapsedUS) * time.Microsecond, err
}

// Pumps are the pumps that the client knows, by node ID.
func (c *PumpClient) Pumps(ctx context.Context) ([]Pump, error) {
	a, err := c.call(ctx, struct {
		Op string `json:"op"`
	}{"pumps"})
	return a.Pumps, err
}

// LogTail is the end of the client's own log.
func (c *PumpClient) LogTail(lines int) string { return string(c.process.tail(lines)) }

// call sends one request and waits for its answer; an error in the answer is the error.
func (c *PumpClient) call(ctx context.Context, req any) (pumpAnswer, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return pumpAnswer{}, fmt.Errorf("encode a request to pumpclient: %w", err)
	}
	id, ch, err := c.send(body)
	if err != nil {
		return pumpAnswer{}, err
	}
	select {
	case a, ok := <-ch:
		if !ok {
			c.mu.Lock()
			defer c.mu.Unlock()
			return a, c.closed
		}
		if a.Error != "" {
			return a, errors.New(a.Error)
		}
		return a, nil
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, id)
		return pumpAnswer{}, ctx.Err()
	}
}

// send gives a request, a JSON object, its number and writes it as one line.
func (c *PumpClient) send(body []byte) (int64, chan pumpAnswer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return 0, nil, c.closed
	}
	c.next++
	ch := make(chan pumpAnswer, 1)
	c.waiting[c.next] = ch
	if _, err := fmt.Fprintf(c.in, "{\"id\":%d,%s\n", c.next, body[1:]); err != nil {
		delete(c.waiting, c.next)
		return 0, nil, fmt.Errorf("write to pumpclient: %w", err)
	}
	return c.next, ch, nil
}

// read hands out the answers until the process has ended.
func (c *PumpClient) read(out io.ReadCloser) {
	defer out.Close()
	dec := json.NewDecoder(bufio.NewReader(out))
	for {
		var a pumpAnswer
		err := dec.Decode(&a)
		c.mu.Lock()
		if err != nil {
			c.closed = fmt.Errorf("pumpclient has ended: %w; its log is %s", err, filepath.Base(c.process.log))
			for _, ch := range c.waiting {
				close(ch)
			}
			c.waiting = nil
			c.mu.Unlock()
			return
		}
		ch := c.waiting[a.ID]
		delete(c.waiting, a.ID)
		c.mu.Unlock()
		if ch != nil {
			ch <- a
		}
	}
}

// Command pumpclient lets a test speak through TiDB's own pump client, the code that
// real TiDB servers use to find pumps in PD, to choose one and to write to it.
//
// It reads requests from standard input and writes answers to standard output, one JSON
// object a line; the client's own log goes to standard error. Requests run at the same
// time, each answer carries the number of its request. Standard input closed: the program
// ends.
//
//	{"id":1,"op":"connect","pd":"127.0.0.1:2379","strategy":"range","timeout_ms":15000}
//	{"id":2,"op":"write","tp":"prewrite","start_ts":10,"key":"cGs=","value":"AQI="}
//	{"id":3,"op":"write","tp":"commit","start_ts":10,"commit_ts":12}
//	{"id":4,"op":"pumps"}
//
//	{"id":1,"cluster_id":7,"elapsed_us":4100}
//	{"id":2,"elapsed_us":350}
//	{"id":3,"error":"write binlog failed, …","elapsed_us":15000000}
//	{"id":4,"pumps":[{"node_id":"p1","addr":"127.0.0.1:8250","state":"online","available":true}],"elapsed_us":3}
//
// TiDB answers no error for a commit or rollback that it could not write for ten minutes,
// and this program does not either: it is the client that is shown, not a better one.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pingcap/log"
	pumpcli "github.com/pingcap/tidb/tidb-binlog/pump_client"
	pb "github.com/pingcap/tipb/go-binlog"
	pd "github.com/tikv/pd/client"
	"go.uber.org/zap/zapcore"
)

// request is one line of standard input. Bytes are base64, time stamps are TSOs.
type request struct {
	ID int64  `json:"id"`
	Op string `json:"op"` // connect, write, pumps

	PD        string `json:"pd"`         // connect: host:port,…
	Strategy  string `json:"strategy"`   // connect: range or hash
	TimeoutMS int64  `json:"timeout_ms"` // connect: of one write to one pump; 0 = TiDB's 15 s
	CA        string `json:"ca"`         // connect: PEM files, empty = no TLS
	Cert      string `json:"cert"`
	CertKey   string `json:"cert_key"`

	Type     string `json:"tp"` // write: prewrite, commit, rollback
	StartTS  int64  `json:"start_ts"`
	CommitTS int64  `json:"commit_ts"`
	Key      []byte `json:"key"`   // write: primary key
	Value    []byte `json:"value"` // write: marshalled PrewriteValue
	DDLQuery []byte `json:"ddl_query"`
	DDLJobID int64  `json:"ddl_job_id"`
	DDLState int32  `json:"ddl_schema_state"`
}

// answer is one line of standard output.
type answer struct {
	ID        int64  `json:"id"`
	Error     string `json:"error,omitempty"`
	ElapsedUS int64  `json:"elapsed_us"`
	ClusterID uint64 `json:"cluster_id,omitempty"`
	Pumps     []pump `json:"pumps,omitempty"`
}

// pump is what the client knows of one pump.
type pump struct {
	NodeID    string `json:"node_id"`
	Addr      string `json:"addr"`
	State     string `json:"state"`
	Available bool   `json:"available"` // the client chooses among these
	Errors    int64  `json:"errors"`    // writes that failed in a row
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pumpclient:", err)
		os.Exit(1)
	}
}

// run answers the requests of in until it ends and every answer has been written.
func run(in io.Reader, out io.Writer) error {
	if err := logTo(os.Stderr); err != nil {
		return err
	}
	var (
		s       session
		pending sync.WaitGroup
		mu      sync.Mutex // guards enc
		enc     = json.NewEncoder(out)
	)
	lines := bufio.NewReaderSize(in, 1<<20)
	for dec := json.NewDecoder(lines); ; {
		var req request
		if err := dec.Decode(&req); err == io.EOF {
			break
		} else if err != nil {
			return fmt.Errorf("read a request: %w", err)
		}
		pending.Add(1)
		go func() {
			defer pending.Done()
			start := time.Now()
			ans, err := s.serve(req)
			ans.ID, ans.ElapsedUS = req.ID, time.Since(start).Microseconds()
			if err != nil {
				ans.Error = err.Error()
			}
			mu.Lock()
			defer mu.Unlock()
			_ = enc.Encode(ans) // the reader has gone: nobody is left to tell
		}()
	}
	pending.Wait()
	return nil
}

// session holds the one client that a connect request makes.
type session struct {
	mu     sync.RWMutex // guards client
	client *pumpcli.PumpsClient
}

// serve carries out one request.
func (s *session) serve(req request) (answer, error) {
	if req.Op == "connect" {
		return s.connect(req)
	}
	s.mu.RLock()
	c := s.client
	s.mu.RUnlock()
	if c == nil {
		return answer{}, fmt.Errorf("%s before connect", req.Op)
	}
	switch req.Op {
	case "write":
		return answer{}, write(c, req)
	case "pumps":
		return answer{Pumps: pumps(c)}, nil
	}
	return answer{}, fmt.Errorf("unknown op %q", req.Op)
}

// connect finds the pumps as tidb-server does at its start; no pump record is an error.
func (s *session) connect(req request) (answer, error) {
	timeout := pumpcli.DefaultBinlogWriteTimeout
	if req.TimeoutMS > 0 {
		timeout = time.Duration(req.TimeoutMS) * time.Millisecond
	}
	c, err := pumpcli.NewPumpsClient(req.PD, req.Strategy, timeout,
		pd.SecurityOption{CAPath: req.CA, CertPath: req.Cert, KeyPath: req.CertKey})
	if err != nil {
		return answer{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		s.client.Close()
	}
	s.client = c
	return answer{ClusterID: c.ClusterID}, nil
}

func write(c *pumpcli.PumpsClient, req request) error {
	types := map[string]pb.BinlogType{
		"prewrite": pb.BinlogType_Prewrite, "commit": pb.BinlogType_Commit, "rollback": pb.BinlogType_Rollback,
	}
	tp, ok := types[req.Type]
	if !ok {
		return fmt.Errorf("unknown type %q", req.Type)
	}
	return c.WriteBinlog(&pb.Binlog{
		Tp: tp, StartTs: req.StartTS, CommitTs: req.CommitTS,
		PrewriteKey: req.Key, PrewriteValue: req.Value,
		DdlQuery: req.DDLQuery, DdlJobId: req.DDLJobID, DdlSchemaState: req.DDLState,
	})
}

// pumps lists what the client knows, by node ID.
func pumps(c *pumpcli.PumpsClient) []pump {
	c.RLock()
	defer c.RUnlock()
	var list []pump
	for id, p := range c.Pumps.Pumps {
		_, available := c.Pumps.AvaliablePumps[id]
		list = append(list, pump{NodeID: id, Addr: p.Addr, State: p.State, Available: available, Errors: p.ErrNum})
	}
	slices.SortFunc(list, func(a, b pump) int { return strings.Compare(a.NodeID, b.NodeID) })
	return list
}

// logTo sends the client's log, which goes to standard output by itself, to w.
func logTo(w *os.File) error {
	sink := zapcore.Lock(zapcore.AddSync(w))
	logger, props, err := log.InitLoggerWithWriteSyncer(&log.Config{Level: "info", Format: "text"}, sink, sink)
	if err != nil {
		return fmt.Errorf("set up the log: %w", err)
	}
	log.ReplaceGlobals(logger, props)
	return nil
}

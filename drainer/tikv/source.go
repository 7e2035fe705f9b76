package tikv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/tikv/client-go/v2/config"
	"github.com/tikv/client-go/v2/tikv"
	pd "github.com/tikv/pd/client"

	"pumphouse/drainer/schema"
	"pumphouse/internal/certfile"
	"pumphouse/nodes"
	"pumphouse/nodes/tikvconn"
)

// ErrClosed means: the source was closed.
var ErrClosed = errors.New("the source of DDL jobs is closed")

const (
	// pdTimeout bounds one request to PD.
	pdTimeout = 5 * time.Second
	// connectTimeout is how long PD may be away when it is connected to.
	connectTimeout = 30 * time.Second
)

// Source reads TiDB's meta data. It may be used by any number of goroutines.
type Source struct {
	urls     []string
	tls      certfile.Security
	security config.Security
	log      logrus.FieldLogger

	life context.Context
	end  context.CancelFunc

	dialing chan struct{} // capacity 1: held by who connects

	mu     sync.Mutex
	pd     *tikvconn.PD  // nil: not connected yet
	kv     *tikv.KVStore // the same
	closed bool
	users  sync.WaitGroup
	close  sync.Once

	trouble atomic.Pointer[error] // see Trouble
}

var (
	_ schema.Source   = (*Source)(nil)
	_ schema.Snapshot = (*Source)(nil)
	_ schema.Lister   = (*Source)(nil)
)

// New makes a Source that connects to PD when something is read for the first time: PD is waited for
// then for at most 30 s. pdURLs are as [nodes.ParseEndpoints] takes them.
func New(pdURLs []string, sec certfile.Security, log logrus.FieldLogger) (*Source, error) {
	urls, err := nodes.ParseEndpoints(pdURLs, sec.Enabled())
	if err != nil {
		return nil, err
	}
	s := &Source{urls: urls, tls: sec, log: log, security: config.NewSecurity(sec.CA, sec.Cert, sec.Key, nil), dialing: make(chan struct{}, 1)}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// connect makes sure that there is a connection to PD.
func (s *Source) connect(ctx context.Context) error {
	select {
	case s.dialing <- struct{}{}:
		defer func() { <-s.dialing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.store() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	life, end := context.WithCancel(s.life) // PD's client ends with the context it is made with
	stop := context.AfterFunc(ctx, end)
	client, err := tikvconn.DialPD(life, s.urls, s.tls, pdTimeout)
	if !stop() && err == nil {
		client.Close()
		err = ctx.Err()
	}
	var kv *tikv.KVStore
	if err == nil {
		if kv, err = s.open(client); err != nil {
			client.Close()
		}
	}
	if err != nil {
		end()
		if ctx.Err() != nil && !errors.Is(err, ctx.Err()) { // PD's client does not say so
			err = fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return fmt.Errorf("open TiDB's meta data through PD at %s: %w", strings.Join(s.urls, ","), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pd, s.kv = client, kv
	return nil
}

// keptPD is a PD client that outlives the view of the cluster that is made with it.
type keptPD struct{ pd.Client }

func (keptPD) Close() {}

// open makes client-go's view of the cluster.
func (s *Source) open(client *tikvconn.PD) (*tikv.KVStore, error) {
	placement := tikv.NewCodecPDClient(tikv.ModeTxn, keptPD{client})
	rpc := tikv.NewRPCClient(tikv.WithSecurity(s.security), tikv.WithCodec(placement.GetCodec()))
	// client-go keeps a safe point in memory to refuse old time stamps by. What it would refuse
	// wrongly or too late is judged by TableAt itself: nothing is kept here.
	kv, err := tikv.NewKVStore("pumphouse-drainer", placement, tikv.NewMockSafePointKV(), rpc)
	if err != nil {
		_ = rpc.Close() // nothing was sent
		return nil, err
	}
	return kv, nil
}

// store is the view of the cluster.
func (s *Source) store() *tikv.KVStore {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kv
}

// renew takes a new view in place of one with which nothing could be read. client-go counts a
// store as dead until it passes a health check, for which it does not know our TLS files. Calls
// that still use the old one fail and are repeated.
func (s *Source) renew(old *tikv.KVStore) {
	fresh, err := s.open(s.pd)
	if err != nil {
		return // PD does not answer: later
	}
	s.mu.Lock()
	if s.kv == old {
		s.kv, fresh = fresh, old
	}
	s.mu.Unlock()
	_ = fresh.Close() // the one that is not used; there is nothing to lose
}

// Trouble is why PD or TiKV do not answer what is being read, nil when nothing waits for them.
func (s *Source) Trouble() error {
	if err := s.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// Close ends calls under way, with ErrClosed, and all connections. It may be called again.
func (s *Source) Close() error {
	var err error
	s.close.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.end()
		s.users.Wait()
		if s.kv != nil { // nobody else is left to change it
			err = s.kv.Close()
			s.pd.Close()
		}
	})
	return err
}

// begin gives the context of a call, which ends with the source too, and keeps Close from
// returning before done is called. There is a connection then.
func (s *Source) begin(parent context.Context) (ctx context.Context, done func(), err error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, nil, ErrClosed
	}
	s.users.Add(1)
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(parent)
	stop := context.AfterFunc(s.life, cancel)
	done = func() { stop(); cancel(); s.users.Done() }
	if err := s.connect(ctx); err != nil {
		done()
		if s.life.Err() != nil {
			err = fmt.Errorf("%w; %w", ErrClosed, err)
		}
		return nil, nil, err
	}
	return ctx, done, nil
}

// History implements [schema.Source]: the jobs that have ended when it is called.
func (s *Source) History(parent context.Context, after int64, each func(*schema.Job) error) error {
	ctx, done, err := s.begin(parent)
	if err != nil {
		return err
	}
	defer done()
	return s.history(ctx, after, false, func(id int64, value []byte) error {
		job, err := parseJob(id, value)
		if err != nil || !job.Ended() {
			return err
		}
		return each(job)
	})
}

// JobIDs implements [schema.Lister].
func (s *Source) JobIDs(parent context.Context) (ids []int64, err error) {
	ctx, done, err := s.begin(parent)
	if err != nil {
		return nil, err
	}
	defer done()
	err = s.history(ctx, 0, true, func(id int64, _ []byte) error {
		ids = append(ids, id)
		return nil
	})
	return ids, err
}

// Job implements [schema.Source].
func (s *Source) Job(parent context.Context, id int64) (*schema.Job, error) {
	ctx, done, err := s.begin(parent)
	if err != nil {
		return nil, err
	}
	defer done()
	var value []byte
	err = s.untilAnswered(ctx, fmt.Sprintf("read DDL job %d of TiDB's history", id), func() error {
		ts, err := s.now(ctx)
		if err == nil {
			value, err = s.get(ctx, ts, jobKey(id))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, fmt.Errorf("%w: %d", schema.ErrNoJob, id)
	}
	job, err := parseJob(id, value)
	if err == nil && !job.Ended() {
		err = fmt.Errorf("%w: %s has not ended", schema.ErrNoJob, job)
	}
	return job, err
}

func parseJob(id int64, value []byte) (*schema.Job, error) {
	job, err := schema.ParseJob(value)
	if err == nil && job.ID != id {
		err = fmt.Errorf("%w: it is job %d", schema.ErrBadJob, job.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("DDL job %d of TiDB's history: %w", id, err)
	}
	return job, nil
}

// TableAt implements [schema.Meta].
func (s *Source) TableAt(parent context.Context, schemaID, tableID int64, ts nodes.TSO) (*schema.TableInfo, error) {
	ctx, done, err := s.begin(parent)
	if err != nil {
		return nil, err
	}
	defer done()
	what := fmt.Sprintf("read the definition of table %d as of %d", tableID, ts)
	var value []byte
	err = s.untilAnswered(ctx, what, func() error {
		var err error
		if value, err = s.get(ctx, uint64(ts), tableKey(schemaID, tableID)); err != nil {
			return err
		}
		return s.collected(ctx, ts)
	})
	if err != nil || value == nil {
		return nil, err
	}
	info := new(schema.TableInfo)
	if err := json.Unmarshal(value, info); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return info, nil
}

// collected is the error if garbage collection may have removed what was read as of ts. It is called
// after reading: GC up to an older safe point cannot have removed any of it before.
func (s *Source) collected(ctx context.Context, ts nodes.TSO) error {
	safe, err := s.pd.SafePoint(ctx)
	if err == nil && safe > uint64(ts) {
		return fmt.Errorf("%w: TiKV's garbage collection has removed versions that are older than %d (%s)",
			schema.ErrNoMeta, safe, nodes.TSO(safe).Time().Format(time.RFC3339))
	}
	return err
}

// Now implements [schema.Meta]: a time stamp of PD's.
func (s *Source) Now(parent context.Context) (nodes.TSO, error) {
	ctx, done, err := s.begin(parent)
	if err != nil {
		return 0, err
	}
	defer done()
	var ts uint64
	err = s.untilAnswered(ctx, "get a time stamp", func() error {
		var err error
		ts, err = s.now(ctx)
		return err
	})
	return nodes.TSO(ts), err
}

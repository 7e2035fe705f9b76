package drainer_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
	"pumphouse/drainer"
	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/schema"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
)

// What keeps a drainer from starting is named with its cure, PD says paused where the record
// is this drainer's, and nothing is left running.
func TestStartFails(t *testing.T) {
	savepoint := func(text string) func(r *rig, o *drainer.Options) {
		return func(r *rig, o *drainer.Options) {
			if err := os.WriteFile(filepath.Join(o.DataDir, checkpoint.FileName), []byte(text), 0o600); err != nil {
				r.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(r *rig, o *drainer.Options)
		want  []string
		state nodes.State // "": there is no record, as before
		code  nodes.ProblemCode
	}{
		{"damaged checkpoint", savepoint("commitTS = what\n"), []string{"savepoint", "damaged", "write the line"}, "", nodes.ProblemDataDamaged},
		{"checkpoint of another cluster", savepoint("commitTS = 5\nclusterID = \"42\"\n"), []string{"is of cluster 42", "check -pd-urls"}, "", nodes.ProblemClusterMismatch},
		{"checkpoint ahead of PD", func(r *rig, o *drainer.Options) {
			savepoint(fmt.Sprintf("commitTS = %d\n", nodes.MakeTSO(r.tso().Time().Add(time.Hour), 0)))(r, o)
		}, []string{"1h0m0s ahead of PD's clock", "was PD restored?"}, "", nodes.ProblemClusterMismatch},
		{"jobs of nonsense", func(r *rig, o *drainer.Options) {
			dir := r.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "7.json"), []byte("{"), 0o600); err != nil {
				r.Fatal(err)
			}
			o.Schema = schema.Dir(dir)
		}, []string{"7.json", "load the table definitions"}, "", nodes.ProblemHistoryUnreadable},
		{"downstream", func(_ *rig, o *drainer.Options) { o.Downstream = broken{err: errors.New("no such host")} },
			[]string{"open the downstream", "no such host"}, "", nodes.ProblemDownstreamDown},
		{"another address runs the node", func(r *rig, _ *drainer.Options) {
			rec := nodes.Record{NodeID: "drainer1", Host: "10.0.0.1:8249", State: nodes.Online, UpdateTS: r.tso()}
			if _, err := r.registry.Put(context.Background(), nodes.Drainer, rec, 0); err != nil {
				r.Fatal(err)
			}
		}, []string{"10.0.0.1:8249"}, nodes.Online, nodes.ProblemTakeover},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			o := r.options("drainer1")
			c.spoil(r, &o)
			var d *drainer.Drainer
			var failed error
			var e nodes.LastExit
			// Only so long may it take to leave the reason in PD; on a busy machine that may be too short.
			for deadline := time.Now().Add(timeout); e.Kind == "" && time.Now().Before(deadline); {
				var err error
				if d, err = drainer.New(o); err != nil {
					t.Fatal(err)
				}
				if failed = d.Open(context.Background()); failed == nil {
					d.Close()
					t.Fatal("it starts")
				}
				if e, _, err = r.registry.Exit(context.Background(), nodes.Drainer, "drainer1"); err != nil {
					t.Fatal(err)
				}
				o.Metrics = nil
			}
			for _, want := range c.want {
				if !strings.Contains(failed.Error(), want) {
					t.Errorf("%q does not say %q", failed, want)
				}
			}
			got, err := r.registry.Get(context.Background(), nodes.Drainer, "drainer1")
			if got.Record.State != c.state || (err != nil) != (c.state == "") {
				t.Errorf("the record says %q (%v), want %q", got.Record.State, err, c.state)
			}
			if e.Code != c.code || e.Kind != nodes.ExitError || !e.Starting || !strings.Contains(e.Text, c.want[0]) && c.code != nodes.ProblemDownstreamDown {
				t.Errorf("its last exit: %+v, want the code %s", e, c.code)
			}
			if waited := d.Wait(); !errors.Is(waited, failed) {
				t.Errorf("Wait: %v", waited)
			}
			// The directory and the port are free for the next.
			if c.name == "downstream" {
				o.Downstream = r.options("").Downstream
				r.open(o)
			}
		})
	}
}

// slowJobs is a DDL history that does not come before it is released.
type slowJobs struct {
	schema.Source
	asked, released chan struct{}
}

func (s slowJobs) History(ctx context.Context, after int64, each func(*schema.Job) error) error {
	s.asked <- struct{}{}
	select {
	case <-s.released:
		return s.Source.History(ctx, after, each)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A drainer that waits for the DDL history answers and says so, can be paused, and lets a
// pump that notifies it wait until it is there, or is told to stop.
func TestStartWaits(t *testing.T) {
	for _, comes := range []bool{true, false} {
		t.Run(fmt.Sprint("history comes: ", comes), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			jobs := slowJobs{schema.Dir(t.TempDir()), make(chan struct{}, 9), make(chan struct{})}
			o := r.options("drainer1")
			o.Schema, o.Metrics, o.InitialCommitTS = jobs, prometheus.NewRegistry(), r.tso()
			d, err := drainer.New(o)
			if err != nil {
				t.Fatal(err)
			}
			ctx, giveUp := context.WithCancel(context.Background())
			defer giveUp()
			opened := make(chan error, 1)
			go func() { opened <- d.Open(ctx) }()
			<-jobs.asked

			type shown struct {
				State, ErrMsg   string
				Synced          bool
				LastTS, Applied nodes.TSO
				Lag             float64
				PumpPos, Pumps  any
			}
			look := func() (st shown) {
				if code := r.call(http.MethodGet, "http://"+d.Addr().String()+"/status", &st); code != http.StatusOK {
					t.Errorf("/status: %d", code)
				}
				return st
			}
			if st := look(); st.State != "paused" || st.ErrMsg != "the drainer is starting: load the table definitions" || st.Synced ||
				st.LastTS != o.InitialCommitTS || st.Applied != o.InitialCommitTS || st.Lag > timeout.Seconds() || fmt.Sprint(st.PumpPos, st.Pumps) != "map[] []" {
				t.Errorf("/status: %+v", st)
			}
			var text string
			r.call(http.MethodGet, "http://"+d.Addr().String()+"/metrics", &text)
			if want := fmt.Sprintf("binlog_drainer_checkpoint_tso %v\n", float64(o.InitialCommitTS.Physical())); !strings.Contains(text, want) {
				t.Errorf("/metrics lacks %s", want)
			}
			if reply := r.put(d, "drainer1", "close", http.StatusConflict); reply.Message != "this drainer's state is paused, apply close failed!" {
				t.Errorf("refused with %q", reply.Message)
			}
			conn, err := grpc.NewClient(d.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			// A client that gives up is always told so, whatever the server sees of it; with a
			// deadline, the server's answer that it is over may come first.
			notify := func(timeout time.Duration) codes.Code {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				defer time.AfterFunc(timeout, cancel).Stop()
				_, err := binlogpb.NewCisternClient(conn).Notify(ctx, &binlogpb.NotifyReq{})
				return status.Code(err)
			}
			if got := notify(100 * time.Millisecond); got != codes.Canceled {
				t.Errorf("a notification is answered while the drainer starts: %s", got)
			}
			notified := make(chan codes.Code, 1)
			go func() { notified <- notify(timeout) }()

			if !comes {
				r.put(d, "drainer1", "pause", http.StatusOK)
				if err := <-opened; !errors.Is(err, life.ErrStopped) {
					t.Errorf("paused while it started: %v", err)
				}
				if e, _, err := r.registry.Exit(context.Background(), nodes.Drainer, "drainer1"); e.Kind != nodes.ExitOrderly || !e.Starting {
					t.Errorf("its last exit: %+v, %v", e, err)
				}
				if got := <-notified; got != codes.Unavailable {
					t.Errorf("Notify: %s", got)
				}
				return
			}
			close(jobs.released)
			if err := <-opened; err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if got := <-notified; got != codes.OK {
				t.Errorf("Notify: %s", got)
			}
			if st := look(); st.State != "online" || st.ErrMsg != "" {
				t.Errorf("/status after the start: %+v", st)
			}
		})
	}
}

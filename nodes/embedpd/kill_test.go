package embedpd_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/pdpb"

	"pumphouse/nodes"
	"pumphouse/nodes/embedpd"
)

// childEnv holds the data directory when the test binary is run as the PD to be killed.
const childEnv = "EMBEDPD_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := child(dir); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child serves from dir until it is killed; it says on standard output where.
func child(dir string) error {
	s, err := embedpd.New(embedpd.Options{Addr: "127.0.0.1:0", DataDir: dir})
	if err != nil {
		return err
	}
	if err := s.Open(context.Background()); err != nil {
		return err
	}
	fmt.Println("ready", s.URL(), s.ClusterID())
	go func() { // the parent's end closes standard input, however it ends
		_, _ = io.Copy(io.Discard, os.Stdin)
		s.Close()
	}()
	return s.Wait()
}

// TestKillLosesNothing kills a PD process in the middle of its work, three times: the
// records it acknowledged are there after it, its timestamps go on above all it gave,
// even with the clock set back, and its cluster stays the same.
func TestKillLosesNothing(t *testing.T) {
	dir := t.TempDir()
	var last nodes.TSO
	var acked, cluster string
	for round := range 3 {
		url, id, kill := startChild(t, dir)
		if cluster != "" && cluster != id {
			t.Fatalf("round %d: cluster ID %s, before %s", round, id, cluster)
		}
		cluster = id
		newest, key := workUntil(t, url, id, round, kill)
		if newest <= last {
			t.Fatalf("round %d: timestamps up to %d, and %d before", round, newest, last)
		}
		last, acked = newest, key

		// The next one runs here, with a clock that went back an hour.
		s := open(t, embedpd.Options{DataDir: dir, Now: func() time.Time { return time.Now().Add(-time.Hour) }})
		resp, err := tso(t.Context(), dial(t, s), &pdpb.TsoRequest{
			Header: &pdpb.RequestHeader{ClusterId: s.ClusterID()}, Count: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		if ts := toTSO(resp); ts <= last {
			t.Errorf("round %d: %d after the kill, %d before", round, ts, last)
		} else {
			last = ts
		}
		got, err := etcd(t, s).Get(t.Context(), acked)
		if err != nil || len(got.Kvs) != 1 {
			t.Errorf("round %d: the acknowledged record %s: %v, %v", round, acked, got, err)
		}
		s.Close()
	}
}

func startChild(t *testing.T, dir string) (url, clusterID string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	kill = func() {
		if !ended {
			ended = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(kill)
	line, _ := bufio.NewReader(out).ReadString('\n')
	words := strings.Fields(line)
	if len(words) != 3 || words[0] != "ready" {
		kill()
		t.Fatalf("the child said %q", line)
	}
	return words[1], words[2], kill
}

// workUntil takes timestamps and writes records, and kills the PD between an
// acknowledgement and the next request. It gives the newest of both.
func workUntil(t *testing.T, url, id string, round int, kill func()) (nodes.TSO, string) {
	t.Helper()
	clusterID, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	cli := etcdAt(t, url)
	stream, err := pdpb.NewPDClient(cli.ActiveConnection()).Tso(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var newest nodes.TSO
	var key string
	for i := range 200 {
		if err := stream.Send(&pdpb.TsoRequest{Header: &pdpb.RequestHeader{ClusterId: clusterID}, Count: 50_000}); err != nil {
			t.Fatal(err)
		}
		resp, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if ts := toTSO(resp); ts <= newest {
			t.Fatalf("timestamp %d after %d", ts, newest)
		} else {
			newest = ts
		}
		if i%20 == 0 {
			key = fmt.Sprintf("/tidb-binlog/v1/pumps/p%d-%d", round, i)
			if _, err := cli.Put(t.Context(), key, "{}"); err != nil {
				t.Fatal(err)
			}
		}
	}
	kill()
	return newest, key
}

func toTSO(r *pdpb.TsoResponse) nodes.TSO {
	return nodes.MakeTSO(time.UnixMilli(r.GetTimestamp().GetPhysical()), r.GetTimestamp().GetLogical())
}

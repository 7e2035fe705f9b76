package kafka

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"pumphouse/drainer/kafkaclient"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/testsuite/kafkabroker"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/rig"
)

// arbiter: the program logs in at a broker like the drainer, says what refuses it, and ends when retention has overtaken it.
func arbiter(t *testing.T, c *secured) {
	const topic = "arbiter"
	db := mariadbtest.Start(t)
	db.Exec(strings.Split(sinktest.CreateTable, ";")...)
	s := c.stream(t, kafkabroker.SASLTLS, topic, kafkaclient.Security{Mechanism: "PLAIN", User: "alice", Password: password})
	s.open()
	s.must(100)
	s.flush()
	start := func(password string) *rig.Proc {
		t.Helper()
		config := c.file(t, "arbiter.toml", fmt.Sprintf("[up]\nkafka-addrs = %q\ntopic = %q\n[up.security]\nssl-ca = %q\nsasl-mechanism = \"SCRAM-SHA-512\"\nsasl-user = \"alice\"\nsasl-password-file = %q\n"+
			"[down]\nhost = %q\nport = %d\nuser = \"root\"\n", strings.Join(s.opts.Addrs, ","), topic, c.certs.CAFile, c.file(t, "arbiter-password", password+"\n"), db.Host, db.Port))
		return rig.Spawn(t, "arbiter", "-config", config, "-addr", "127.0.0.1:0")
	}
	refuses := func(p *rig.Proc, want ...string) {
		t.Helper()
		select {
		case <-p.Done:
		case <-time.After(timeout):
			t.Fatalf("arbiter does not end:\n%s", p.Output())
		}
		if code := p.Cmd.ProcessState.ExitCode(); code != 1 {
			t.Errorf("arbiter ends with %d, want 1", code)
		}
		says(t, fmt.Errorf("%s", p.Output()), want...)
	}
	refuses(start("wrong-one"), "SASL_AUTHENTICATION_FAILED", s.opts.Addrs[0], "check sasl-mechanism, and user and password")

	a := start(password)
	count := func() (n int, err error) {
		err = db.Open().QueryRow("SELECT COUNT(*) FROM sinktest.t").Scan(&n)
		return n, err
	}
	// While the program stands still, 100 transactions are written and the first 50 of them removed. The fetch that waits at the broker
	// may have been handed all of them before: then nothing is lost, the program goes on, and the next turn tries again.
	written, begins := 100, 0
	for ended := false; !ended; {
		eventually(t, fmt.Sprintf("arbiter applies %d transactions", written), func() (bool, string) {
			n, err := count()
			return err == nil && n == written, fmt.Sprint(n, err)
		})
		if err := a.Cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		s.must(1) // for the fetch that waits at the broker
		s.flush()
		s.must(99)
		s.flush()
		begins, written = written+50, written+100
		offsets := make(kadm.Offsets)
		offsets.AddOffset(topic, 0, int64(begins), -1)
		removed, err := c.Admin().DeleteRecords(t.Context(), offsets)
		if err == nil {
			err = removed.Error()
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		eventually(t, "arbiter ends, or has applied what was removed", func() (bool, string) {
			select {
			case <-a.Done:
				ended = true
				return true, ""
			default:
				n, err := count()
				return err == nil && n == written, fmt.Sprint(n, err, "\n", a.Output())
			}
		})
	}
	refused := fmt.Sprintf("begins with offset %d, commit TS %d", begins, begins+10)
	refuses(a, `of topic "arbiter", partition 0, of kafka at `+s.opts.Addrs[0], refused, "Restore a dump", "-up.initial-commit-ts")
	refuses(start(password), refused) // until somebody has done what it says
}

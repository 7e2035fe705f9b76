package problems

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pumphouse/drainer"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/schema"
	"pumphouse/internal/certfile"
	"pumphouse/internal/version"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/pump"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/rig"
)

// TestProblemPDClockBack restores PD from a backup of an hour ago; an operator then raises its clock.
func TestProblemPDClockBack(t *testing.T) {
	l := newTroubled(t)
	l.pumpAt("p1", "", nil)
	last := l.Insert("p1", rig.FirstTable, 1, "a")
	l.sees(nodes.Pump, "p1", nodes.ProblemPDClockBack, false)
	l.pdClock.Store(-int64(time.Hour))
	l.pdServer.Restore()
	l.sees(nodes.Pump, "p1", nodes.ProblemPDClockBack, true, "PD's clock is at", "takes no new transactions", "reset-ts")
	l.pdClock.Store(int64(time.Hour))
	l.sees(nodes.Pump, "p1", nodes.ProblemPDClockBack, false)
	if ts := l.Insert("p1", rig.FirstTable, 2, "b"); ts <= last {
		t.Errorf("the commit TS %s comes after %s", ts, last)
	}
}

// TestProblemKafkaStalls: the brokers do not acknowledge what they are sent.
func TestProblemKafkaStalls(t *testing.T) {
	l := newTroubled(t)
	l.pumpAt("p1", "", nil)
	k := newStalling(t)
	l.opts = drainer.Options{Options: life.Options{NodeID: "drainer1", Addr: "127.0.0.1:0", DataDir: t.TempDir(), Registry: l.Registry, PD: l.PD},
		Schema: schema.Dir(l.Jobs), Downstream: downstream.Kafka{Addrs: k.ListenAddrs(), Topic: "t"}}
	l.startDrainer()
	l.CreateDatabase("p1")
	l.CreateTable("p1", rig.FirstTable)
	l.consumes(l.Insert("p1", rig.FirstTable, 1, "a"))
	l.sees(nodes.Drainer, "drainer1", nodes.ProblemDownstreamDown, false)
	k.stall()
	ts := l.Insert("p1", rig.FirstTable, 2, "b")
	l.sees(nodes.Drainer, "drainer1", nodes.ProblemDownstreamDown, true, "kafka at "+k.ListenAddrs()[0], ts.String(), `topic "t"`, "check that the brokers run")
	k.release()
	l.sees(nodes.Drainer, "drainer1", nodes.ProblemDownstreamDown, false)
	l.consumes(ts)
}

// TestProblemVersionMix: a pump of another version, built from this tree, runs beside the drainer, and is upgraded.
func TestProblemVersionMix(t *testing.T) {
	c := rig.NewPumps(t, pdtest.StartEmbed(t))
	l := newTroubledAt(t, c)
	p := c.Node("p1")
	p.Proc = rig.AwaitReady(t, rig.SpawnCommand(t, exec.Command(otherVersion(t, "9.9.9-test", "pump"), append(p.Args, "-addr", p.Addr)...)))
	_, p.Addr, _ = strings.Cut(p.Ready, " at ")
	f := l.Shop.Drainer("drainer1")
	l.opts = f.Opts
	l.startDrainer()
	l.sees(nodes.Drainer, "drainer1", nodes.ProblemVersionMix, true, "pump p1", "9.9.9-test", version.Number, "finish the upgrade")
	p.Stop(t)
	p.Launch()
	l.sees(nodes.Drainer, "drainer1", nodes.ProblemVersionMix, false)
}

// otherVersion builds a program of ours that says it is of another version.
func otherVersion(t testing.TB, version, name string) string {
	t.Helper()
	abs := func(path string) string {
		path, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	file, dir := abs(programs.Root+"/internal/version/version.go"), t.TempDir()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	constant := regexp.MustCompile(`const Number = ".*"`)
	if !constant.Match(source) {
		t.Fatalf("%s has no version", file)
	}
	changed := filepath.Join(dir, "version.go")
	if err := os.WriteFile(changed, constant.ReplaceAll(source, fmt.Appendf(nil, "const Number = %q", version)), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file: changed}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-trimpath", "-overlay", filepath.Join(dir, "overlay.json"), "-o", dir+"/", "./cmd/"+name)
	build.Dir, build.Env = programs.Root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return filepath.Join(dir, name)
}

// TestProblemCertificate: the certificate of a pump comes to its end, by the clock of the pump's machine.
func TestProblemCertificate(t *testing.T) {
	certs := pdtest.NewCerts(t)
	files := []string{"-ssl-ca", certs.CAFile, "-ssl-cert", certs.CertFile, "-ssl-key", certs.KeyFile}
	l := newTroubledAt(t, rig.NewPumps(t, pdtest.StartEmbedTLS(t, certs)), files...)
	l.pumpAt("p1", "", func(o *pump.Options) {
		o.Security = certfile.Security{CA: certs.CAFile, Cert: certs.CertFile, Key: certs.KeyFile}
	})
	pair, err := tls.LoadX509KeyPair(certs.CertFile, certs.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	left := time.Until(pair.Leaf.NotAfter)
	expire := []string{certs.CertFile, "expire", pair.Leaf.NotAfter.UTC().Format(time.RFC3339), "renew the files of ssl-cert and ssl-key"}
	for ahead, c := range map[time.Duration]struct {
		code nodes.ProblemCode
		want []string
	}{
		left - 10*time.Minute: {nodes.ProblemCertificateExpiring, expire},
		left + time.Hour:      {nodes.ProblemCertificateExpired, expire},
		time.Until(pair.Leaf.NotBefore) - time.Hour: {nodes.ProblemCertificateExpired, []string{certs.CertFile,
			"valid from " + pair.Leaf.NotBefore.UTC().Format(time.RFC3339), "check the clock", "ssl-cert and ssl-key"}},
	} {
		code, want := c.code, c.want
		l.sees(nodes.Pump, "p1", code, false)
		l.skew.Store(int64(ahead))
		l.seesAtOnce(nodes.AtItself, nodes.Pump, "p1", code, true, want...)
		l.skew.Store(0)
		l.seesAtOnce(nodes.AtItself, nodes.Pump, "p1", code, false)
	}
}

// TestProblemsOfSilence: a pump that was killed does not report, and one that advertises an address where nobody listens does not answer.
// Only others can see that.
func TestProblemsOfSilence(t *testing.T) {
	c := rig.NewPumps(t, pdtest.StartEmbed(t))
	l := newTroubledAt(t, c)
	for _, s := range []struct {
		code   nodes.ProblemCode
		node   *rig.PumpNode
		silent func(p *rig.PumpNode)
		cure   func(p *rig.PumpNode)
		want   []string
	}{
		{nodes.ProblemNotReporting, c.Start("killed"), (*rig.PumpNode).Kill, (*rig.PumpNode).Launch, []string{"left no word", "killed", "if"}},
		{nodes.ProblemNotAnswering, c.Start("hidden"), func(p *rig.PumpNode) {
			p.Stop(t)
			p.Args = append(p.Args, "-advertise-addr", "127.0.0.1:1")
			p.Launch()
		}, func(p *rig.PumpNode) {
			p.Stop(t)
			p.Args = p.Args[:len(p.Args)-2]
			p.Launch()
		}, []string{"127.0.0.1:1", "check that"}},
	} {
		s.silent(s.node)
		for place, look := range l.ends(nodes.Pump, s.node.ID, s.code) {
			rig.Eventually(t, rig.Timeout, fmt.Sprintf("%s says %s", place, s.code), func() (bool, string) {
				line, all := look()
				return line != "" && (place == "metrics" || holds(line, s.want)), all
			})
		}
		s.cure(s.node)
		l.seesNoEnd(nodes.Pump, s.node.ID, s.code)
	}
}

// stalling is a Kafka broker that at times does not answer those who write.
type stalling struct {
	*kfake.Cluster
	gate atomic.Pointer[chan struct{}] // nil: open
}

func newStalling(t testing.TB) *stalling {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	k := &stalling{Cluster: cluster}
	t.Cleanup(func() { k.release(); cluster.Close() })
	k.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if gate := k.gate.Load(); gate != nil {
			k.SleepControl(func() { <-*gate })
		}
		return nil, nil, false
	})
	return k
}

func (k *stalling) stall() {
	gate := make(chan struct{})
	k.gate.Store(&gate)
}

func (k *stalling) release() {
	if gate := k.gate.Swap(nil); gate != nil {
		close(*gate)
	}
}

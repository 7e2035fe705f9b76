package pdtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pumphouse/testsuite/form"
)

// settings make a pd-server elect itself and start within a second or so. The lease, in seconds, bounds how long
// a killed leader of several is missed; one that is alone takes its own place again at once, and must not
// lose it when the machine is too busy to renew the lease.
func settings(members int) string {
	lease := 1
	if members == 1 {
		lease = 15
	}
	return fmt.Sprintf("lease = %d\ntick-interval = \"50ms\"\nelection-interval = \"500ms\"\n[log]\nlevel = \"info\"\n", lease)
}

// StartReal starts a cluster of n real pd-servers on free loopback ports, with data of
// their own, and waits until it serves timestamps.
func StartReal(t testing.TB, n int) *Cluster {
	t.Helper()
	return startReal(t, n, nil)
}

// StartRealTLS is StartReal with TLS, clients' certificates being asked for.
func StartRealTLS(t testing.TB, n int, certs *Certs) *Cluster {
	t.Helper()
	return startReal(t, n, certs)
}

func startReal(t testing.TB, n int, certs *Certs) *Cluster {
	t.Helper()
	binary, err := realBinary(t)
	if err != nil {
		t.Fatalf("get a pd-server to test against: %v", err)
	}
	// A port found free may be taken before PD binds it: then all start again elsewhere.
	for try := 1; ; try++ {
		c := &Cluster{Kind: "pd-server", t: t, certs: certs}
		members, err := layOut(t, binary, n, certs)
		if err != nil {
			t.Fatalf("prepare a pd-server: %v", err)
		}
		for _, m := range members {
			c.members = append(c.members, m)
		}
		if err = c.startAll(); err == nil {
			t.Cleanup(c.cleanup)
			return c
		}
		for _, m := range members {
			_ = m.kill()
			if try == 3 {
				t.Logf("the last of %s's log:\n%s", m.name(), m.log())
			}
		}
		if try == 3 {
			t.Fatalf("start %d pd-servers: %v", n, err)
		}
		t.Logf("start %d pd-servers: %v; trying other ports", n, err)
	}
}

// realBinary finds the pd-server to run and builds it if it is not there.
func realBinary(t testing.TB) (string, error) {
	if given := os.Getenv("PDTEST_PD_SERVER"); given != "" {
		return given, nil
	}
	root := form.Root(t)
	if _, err := os.Stat(filepath.Join(root, ".cache/bin/pd-server")); err != nil {
		t.Log("building pd-server from testsuite/realpd; this takes minutes, once")
	}
	cmd := exec.Command(filepath.Join(root, "testsuite/realpd/build.sh"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("build it: %w\n%s", err, stderr.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}

// process is a pd-server.
type process struct {
	binary  string
	args    []string
	id      string
	client  string
	logFile string

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// layOut decides on names, ports and directories of n members.
func layOut(t testing.TB, binary string, n int, certs *Certs) ([]*process, error) {
	dir, scheme, config := t.TempDir(), "http", settings(n)
	if certs != nil {
		scheme = "https"
		config += fmt.Sprintf("[security]\ncacert-path = %q\ncert-path = %q\nkey-path = %q\n", certs.CAFile, certs.CertFile, certs.KeyFile)
	}
	configFile := filepath.Join(dir, "pd.toml")
	if err := os.WriteFile(configFile, []byte(config), 0o600); err != nil {
		return nil, err
	}
	var members []*process
	var initial []string
	for i := range n {
		name := fmt.Sprintf("pd%d", i)
		peer := fmt.Sprintf("%s://%s", scheme, form.Addr(t))
		initial = append(initial, name+"="+peer)
		m := &process{
			binary: binary, id: name, logFile: filepath.Join(dir, name+".log"),
			client: fmt.Sprintf("%s://%s", scheme, form.Addr(t)),
		}
		m.args = []string{
			"--name", name, "--config", configFile, "--data-dir", filepath.Join(dir, name),
			"--client-urls", m.client, "--peer-urls", peer, "--log-file", m.logFile,
		}
		members = append(members, m)
	}
	for _, m := range members {
		m.args = append(m.args, "--initial-cluster", strings.Join(initial, ","))
	}
	return members, nil
}

func (p *process) start() error {
	if p.running() {
		return fmt.Errorf("%s is running already", p.id)
	}
	p.cmd = exec.Command(p.binary, p.args...)
	if err := form.Start(p.cmd); err != nil {
		return err
	}
	p.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		defer close(done)
		_ = cmd.Wait() // how it ended is in its log
	}(p.cmd, p.done)
	return nil
}

func (p *process) running() bool {
	if p.done == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *process) stop() error { return p.end(syscall.SIGTERM) }
func (p *process) kill() error { return p.end(syscall.SIGKILL) }

func (p *process) end(sig syscall.Signal) error {
	if !p.running() {
		return nil
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(readyLimit):
		_ = p.cmd.Process.Kill()
		return fmt.Errorf("did not end within %s of %s", readyLimit, sig)
	}
}

func (p *process) url() string  { return p.client }
func (p *process) name() string { return p.id }

func (p *process) log() string {
	raw, err := os.ReadFile(p.logFile)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	lines = lines[max(0, len(lines)-30):]
	return string(bytes.Join(lines, []byte("\n")))
}

// post calls PD's HTTP API.
func (c *Cluster) post(ctx context.Context, m member, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url()+path, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{TLSClientConfig: c.TLS()}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("POST %s: %s", path, resp.Status)
	}
	return nil
}

package kafkabroker

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"pumphouse/testsuite/form"
)

// Node is a broker that is a controller too. Its process may come and go.
type Node struct {
	ID  int
	Dir string

	cluster        *Cluster
	control, admin string            // host:port
	addrs          map[string]string // by protocol
	cmd            *exec.Cmd
	done           chan struct{} // closed when cmd has ended
	out            output
}

// stopLimit is what an orderly stop may take.
const stopLimit = time.Minute

func (n *Node) properties() string { return filepath.Join(n.Dir, "server.properties") }

// format makes the data directory ready, once.
func (n *Node) format() {
	cmd := n.cluster.Java(".", "kafka.tools.StorageTool", "format", "--cluster-id="+n.cluster.id, "-c", n.properties())
	if out, err := cmd.CombinedOutput(); err != nil {
		n.cluster.t.Errorf("kafka's node %d could not be made ready: %v\n%s", n.ID, err, out)
	}
}

// Launch starts the node, for the first time or again. It does not wait until it takes part.
func (n *Node) Launch() {
	t := n.cluster.t
	t.Helper()
	n.cmd, n.done = n.cluster.Java(".", "kafka.Kafka", n.properties()), make(chan struct{})
	n.cmd.Stdout, n.cmd.Stderr = &n.out, &n.out
	if err := form.Start(n.cmd); err != nil {
		t.Fatal(err)
	}
	cmd, done := n.cmd, n.done
	go func() {
		defer close(done)
		_ = cmd.Wait() // a node that is killed ends with an error
	}()
	t.Cleanup(func() {
		n.Kill()
		if t.Failed() {
			t.Logf("kafka's node %d said:\n%s", n.ID, n.out.tail())
		}
	})
}

// Stop ends the node in an orderly way: it hands over what it leads.
func (n *Node) Stop() {
	n.cluster.t.Helper()
	n.signal(syscall.SIGTERM)
	select {
	case <-n.done:
	case <-time.After(stopLimit):
		n.cluster.t.Errorf("kafka's node %d still runs %v after SIGTERM", n.ID, stopLimit)
		n.Kill()
	}
}

// Kill ends the node with SIGKILL.
func (n *Node) Kill() {
	n.signal(syscall.SIGKILL)
	<-n.done
}

// Suspend stops the process with SIGSTOP: it keeps its connections and answers nobody.
func (n *Node) Suspend() { n.signal(syscall.SIGSTOP) }

// Resume has a suspended process go on.
func (n *Node) Resume() { n.signal(syscall.SIGCONT) }

func (n *Node) signal(s syscall.Signal) { _ = n.cmd.Process.Signal(s) }

// pem writes the node's certificate and key, and the authority of clients, as Kafka reads them.
func (n *Node) pem() (keys, cas string) {
	t, certs := n.cluster.t, n.cluster.opts.Certs
	read := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	block, _ := pem.Decode(read(certs.KeyFile))
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	keys, cas = filepath.Join(n.Dir, "keys.pem"), certs.CAFile
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), read(certs.CertFile)...)
	if err := os.WriteFile(keys, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return keys, cas
}

// output keeps what a node says.
type output struct{ form.Lines }

func (o *output) tail() string {
	b := o.String()
	if cut := len(b) - 16<<10; cut > 0 {
		return fmt.Sprintf("… (%d bytes more)\n%s", cut, b[cut:])
	}
	return b
}

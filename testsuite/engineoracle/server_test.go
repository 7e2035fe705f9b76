package engineoracle

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"

	"pumphouse/testsuite/form"
)

// oracle starts a private MariaDB in a temporary directory and connects to it. The
// server ends with the test.
func oracle(t *testing.T) *client.Conn {
	t.Helper()
	program := os.Getenv("PUMPHOUSE_MARIADBD")
	if program == "" {
		found, err := exec.LookPath("mariadbd")
		if err != nil {
			form.Missing(t, "no mariadbd in PATH and PUMPHOUSE_MARIADBD is not set: install the package mariadb-server to run the comparison")
		}
		program = found
	}
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	install := exec.Command("mariadb-install-db", "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db", "--user="+currentUser())
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}
	addr := form.Addr(t)
	_, port, _ := net.SplitHostPort(addr)
	server := exec.Command(program, "--no-defaults", "--user="+currentUser(), "--datadir="+data, "--socket="+filepath.Join(dir, "s"),
		"--bind-address=127.0.0.1", "--port="+port, "--pid-file="+filepath.Join(dir, "pid"), "--innodb-buffer-pool-size=8M",
		"--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci", "--default-time-zone=+00:00")
	var log strings.Builder
	server.Stderr = &log
	if err := server.Start(); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(os.Interrupt)
		_ = server.Process.Kill() // nothing in it is worth a clean end
		_ = server.Wait()
	})
	return connect(t, addr, &log)
}

func connect(t *testing.T, addr string, log *strings.Builder) *client.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := client.Connect(addr, "root", "", "")
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
			if _, err := conn.Execute("SET NAMES utf8mb4 COLLATE utf8mb4_general_ci"); err != nil {
				t.Fatal(err)
			}
			return conn
		}
		select {
		case <-ctx.Done():
			t.Fatalf("MariaDB does not come up: %v\n%s", err, log)
		case <-tick.C:
		}
	}
}

func currentUser() string {
	if os.Getuid() == 0 {
		return "root"
	}
	return fmt.Sprint(os.Getenv("USER"))
}

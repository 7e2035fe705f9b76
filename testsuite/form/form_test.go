package form

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLacking is run by TestMissing in a process of its own.
func TestLacking(t *testing.T) {
	if os.Getenv("FORM_LACKS") == "" {
		return
	}
	Missing(t, "no %s:\ninstall it", "thing")
	t.Error("it goes on")
}

func TestLongThing(t *testing.T) {
	if os.Getenv("FORM_LACKS") == "" {
		return
	}
	LongOnly(t, "an hour")
	t.Log("an hour is spent")
}

// child runs one of the tests above in a process of its own.
func child(t *testing.T, test string, env ...string) (out string, err error) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.v", "-test.run", "^"+test+"$")
	cmd.Env = append(os.Environ(), append([]string{"FORM_LACKS=1", "STRICT=", "PUMPHOUSE_SKIPS=", "PUMPHOUSE_SOAK="}, env...)...)
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// TestMissing: what is missing is said, counted, and with STRICT=1 a failure.
func TestMissing(t *testing.T) {
	list := filepath.Join(t.TempDir(), "skips")
	for range 2 {
		out, err := child(t, "TestLacking", "PUMPHOUSE_SKIPS="+list)
		if err != nil || !strings.Contains(out, "SKIPPED TestLacking: no thing: install it\n") || !strings.Contains(out, "--- SKIP: TestLacking") {
			t.Errorf("%v\n%s", err, out)
		}
	}
	text, err := os.ReadFile(list)
	if want := strings.Repeat("TestLacking: no thing: install it\n", 2); err != nil || string(text) != want {
		t.Errorf("%v, the list is\n%s\nwant\n%s", err, text, want)
	}
	if out, err := child(t, "TestLacking", "STRICT=1", "PUMPHOUSE_SKIPS="+list); err == nil || !strings.Contains(out, "cannot be run: no thing: install it") {
		t.Errorf("STRICT=1: %v\n%s", err, out)
	}
	if again, err := os.ReadFile(list); err != nil || string(again) != string(text) {
		t.Errorf("a failure is on the list of what is skipped: %v\n%s", err, again)
	}
}

// TestLongOnly: what is of the long form only is not run in the short one, under STRICT=1 neither.
func TestLongOnly(t *testing.T) {
	if out, err := child(t, "TestLongThing", "STRICT=1"); err != nil || !strings.Contains(out, "long form only (PUMPHOUSE_SOAK=1 runs it): an hour") {
		t.Errorf("short: %v\n%s", err, out)
	}
	if out, err := child(t, "TestLongThing", "PUMPHOUSE_SOAK=1"); err != nil || !strings.Contains(out, "an hour is spent") {
		t.Errorf("long: %v\n%s", err, out)
	}
}

// TestClientsThatAreNotThere: the reason that install.sh has left is the one that is given.
func TestClientsThatAreNotThere(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, ".cache"), 0o755); err != nil {
		t.Fatal(err)
	}
	ask := func() string {
		out, err := child(t, "TestClientsOf", "FORM_ROOT="+root)
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return out
	}
	if out := ask(); !strings.Contains(out, "SKIPPED TestClientsOf: run testsuite/clients/install.sh rust") {
		t.Errorf("nothing was tried: %s", out)
	}
	if err := os.WriteFile(filepath.Join(root, ".cache", "rust.missing"), []byte("no cargo\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := ask(); !strings.Contains(out, "SKIPPED TestClientsOf: no cargo\n") {
		t.Errorf("it could not be installed: %s", out)
	}
	if err := os.MkdirAll(filepath.Join(root, ".cache", "rust", ".done"), 0o755); err != nil {
		t.Fatal(err)
	}
	if out := ask(); !strings.Contains(out, "clients in "+filepath.Join(root, ".cache", "rust")) {
		t.Errorf("it is installed: %s", out)
	}
}

func TestClientsOf(t *testing.T) {
	if root := os.Getenv("FORM_ROOT"); root != "" {
		t.Log("clients in " + Clients(t, root, "rust"))
	}
}

// TestSeed: a new one each time, or the one that is given.
func TestSeed(t *testing.T) {
	t.Setenv("PUMPHOUSE_SEED", "")
	seen := map[uint64]bool{}
	for range 20 {
		seen[Seed(t)] = true
	}
	if len(seen) < 2 {
		t.Errorf("always %v", seen)
	}
	t.Setenv("PUMPHOUSE_SEED", "4711")
	if s := Seed(t); s != 4711 {
		t.Errorf("%d, and 4711 is given", s)
	}
}

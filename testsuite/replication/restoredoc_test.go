package replication

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/tidbtest"
)

// documented is the restore of docs/point-in-time-restore.md: its command lines, word by word but for what is an example there.
type documented struct {
	t        *testing.T
	c        *Cluster
	srv      *mariadbtest.Server
	dir      string // where reparo.toml is
	path     string // the PATH
	examples map[string]string
	lines    map[string]string // by their first program
	first    bool              // the database has not been restored yet
}

// newDocumented prepares it for a cluster and the files of its drainer.
func newDocumented(t *testing.T, c *Cluster, files string) *documented {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(programs.Root, "docs/point-in-time-restore.md"))
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(c.TiDB.Addr)
	if err != nil {
		t.Fatal(err)
	}
	d := &documented{t: t, c: c, dir: t.TempDir(), lines: map[string]string{}, first: true,
		srv:  mariadbtest.Start(t, "--innodb-flush-log-at-trx-commit=0", "--collation-server=utf8mb4_bin"),
		path: filepath.Dir(program("reparo")) + ":" + filepath.Dir(tidbtest.Dumpling(t)) + ":" + os.Getenv("PATH")}
	at := fmt.Sprint(d.srv.Port)
	d.examples = map[string]string{
		"-h 10.0.0.5 -P 4000": "-h " + host + " -P " + port, "-h 10.0.0.9 -u restore": "-h " + d.srv.Host + " -P " + at + " -u root",
		`"10.0.0.9"`: strconv.Quote(d.srv.Host), "3306": at, `"restore"`: `"root"`, "/backup/dump": filepath.Join(d.dir, "dump"), "/backup/binlog": files}
	for _, block := range regexp.MustCompile("(?s)```console\n\\$ (.*?)\n```").FindAllSubmatch(page, -1) {
		line := strings.Split(string(block[1]), "\nrestored up to")[0]
		d.lines[strings.Fields(line)[0]] = line
	}
	config := regexp.MustCompile("(?s)```toml\n(.*?)```").FindSubmatch(page)
	if config == nil || d.lines["dumpling"] == "" || d.lines["set"] == "" {
		t.Fatalf("the page has %q and the configuration %q", d.lines, config)
	}
	if err := os.WriteFile(filepath.Join(d.dir, "reparo.toml"), []byte(d.filled(string(config[1]), nil)), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// filled puts this test's values in the place of the examples, each of which must be there.
func (d *documented) filled(text string, more map[string]string) string {
	for example, value := range d.examples {
		text = strings.ReplaceAll(text, example, value)
	}
	for example, value := range more {
		if !strings.Contains(text, example) {
			d.t.Errorf("the page has no %s any more:\n%s", example, text)
		}
		text = strings.ReplaceAll(text, example, value)
	}
	return text
}

func (d *documented) run(ctx context.Context, line string) (string, error) {
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Dir, cmd.Env = d.dir, append(os.Environ(), "PATH="+d.path, "TZ=UTC")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", line, err, out)
	}
	return string(out), nil
}

// dump makes the dump, while transactions go on, and again when a DDL job was amid.
func (d *documented) dump(ctx context.Context) error {
	dir := filepath.Join(d.dir, "dump")
	for {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		if _, err := d.run(ctx, d.filled(d.lines["dumpling"], nil)); err != nil {
			return err
		}
		pos, err := d.position()
		if err != nil {
			return err
		}
		ts, err := nodes.ParseTSO(pos)
		if err != nil {
			return err
		}
		if ok, err := d.c.between(ctx, ts); ok || err != nil {
			return err
		}
	}
}

// position is that of the dump, a TSO.
func (d *documented) position() (string, error) {
	text, err := os.ReadFile(filepath.Join(d.dir, "dump", "metadata"))
	if err != nil {
		return "", err
	}
	pos := regexp.MustCompile(`Pos: (\d+)`).FindSubmatch(text)
	if pos == nil {
		return "", fmt.Errorf("the dump's metadata has no position:\n%s", text)
	}
	return string(pos[1]), nil
}

// restore loads the dump and restores, or continues a restore, to a commit TS and compares.
func (d *documented) restore(ts nodes.TSO) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 10*time.Minute)
	defer cancel()
	line := d.lines["set"]
	if !d.first {
		_, line, _ = strings.Cut(line, "&&\n    reparo")
		line = "reparo" + line
	}
	d.first = false
	out, err := d.run(ctx, d.filled(line, map[string]string{"470642559858729473": ts.String()}))
	if err != nil {
		d.t.Fatalf("%v\n%s", err, d.evidence(err))
	}
	d.t.Logf("%s", out)
	asItWas(d.t, d.c, Comparison{RowsOnly: true, Dumped: true}, d.srv, ts)
}

// evidence is what the dump has of the table that an error of reparo names, and what TiDB had as of the dump's position.
func (d *documented) evidence(err error) string {
	named := regexp.MustCompile(`differs from the upstream in ([^:]+)\.([^:]+): `).FindStringSubmatch(err.Error())
	pos, unknown := d.position()
	if named == nil || unknown != nil {
		return ""
	}
	var b strings.Builder
	files, _ := filepath.Glob(filepath.Join(d.dir, "dump", named[1]+"."+named[2]+".*.sql"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		fmt.Fprintf(&b, "%s (%v):\n%s\n", filepath.Base(file), err, text)
	}
	host, port, _ := net.SplitHostPort(d.c.TiDB.Addr)
	rows := exec.Command("mariadb", "-h", host, "-P", port, "-u", "root", "-e",
		fmt.Sprintf("set tidb_snapshot = '%s'; select * from %s.%s", pos, quote(named[1]), quote(named[2])))
	out, err := rows.CombinedOutput()
	fmt.Fprintf(&b, "TiDB as of %s (%v):\n%s", pos, err, out)
	return b.String()
}

package replication

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pumphouse/testsuite/form"
)

// fuzzing is a run of the fuzz against a cluster.
type fuzzing struct {
	t    *testing.T
	c    *Cluster
	f    *Fuzz
	o    Options
	file *os.File
	seed uint64
	// each: FUZZ_EACH=n compares after every n steps, goes on after a difference and tells all of them at the
	// end; 1 shows the statement.
	each    int
	found   []string
	told    map[string]bool
	ignored []string // commit TS of what the downstream refused
}

func newFuzzing(t *testing.T, o Options) *fuzzing {
	t.Helper()
	z := &fuzzing{told: map[string]bool{}, t: t, seed: fuzzSeed(t), o: o}
	if n := os.Getenv("FUZZ_EACH"); n != "" {
		if _, err := fmt.Sscan(n, &z.each); err != nil || z.each < 1 {
			t.Fatalf("FUZZ_EACH=%s is no number of steps", n)
		}
	}
	if o.MariaDB == nil && !o.ToTiDB {
		z.o.MariaDB = oddMariaDB(t, z.seed)
	}
	z.c = Start(t, z.o)
	if !o.ToTiDB {
		z.c.MariaDB.AddZones("America/New_York", "Asia/Kathmandu", "Etc/GMT-14") // of sessionKinds; it knows no +14:00
	}
	z.c.StartDrainer("")
	var err error
	if z.file, err = os.CreateTemp("", "ddl-fuzz-*.sql"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		z.file.Close()
		if !t.Failed() {
			os.Remove(z.file.Name())
		}
	})
	db := z.c.Open("")
	t.Cleanup(func() { db.Close() })
	if z.f, err = NewFuzz(t.Context(), db, z.file, z.seed); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(z.f.Close)
	if o.ToTiDB { // RECOVER asks there, too
		_, _ = z.c.Downstream().Exec("insert ignore into mysql.tidb values ('tikv_gc_safe_point', '20200101-00:00:00.000 +0000', ''); set global tidb_enable_resource_control = on")
	}
	z.f.ToTiDB, z.f.Year = o.ToTiDB, max(o.Year, 2023)
	return z
}

// check waits until everything is downstream and compares.
func (z *fuzzing) check(after string) error {
	ctx := z.t.Context()
	var text string
	if err := z.c.CatchUp(ctx); err != nil {
		text = err.Error()
		if z.each == 0 || !z.skip(text) {
			return z.failed(after, text)
		}
		z.found = append(z.found, fmt.Sprintf("%s: %s\n  after\n%s", after, refusal(text), z.tail(12)))
	}
	tidb := z.c.Open("")
	defer tidb.Close()
	down := z.c.Downstream()
	defer down.Close()
	got, err := Compare(ctx, tidb, down)
	if err != nil {
		if z.each > 0 {
			z.found = append(z.found, fmt.Sprintf("%s: compare: %v", after, err))
			return nil
		}
		return z.failed(after, err.Error())
	}
	if len(got.Differences) == 0 {
		return nil
	}
	differences := slices.DeleteFunc(got.Differences, func(d string) bool { return z.told[d] })
	if len(differences) == 0 {
		return nil
	}
	for _, d := range differences {
		z.told[d] = z.each > 0
	}
	text = strings.Join(differences[:min(len(differences), 20)], "\n")
	if z.each == 0 {
		return z.failed(after, text)
	}
	if !strings.Contains(text, "is missing downstream") || len(z.found) == 0 {
		z.found = append(z.found, fmt.Sprintf("%s:\n%s\n  after\n%s", after, text, z.tail(12)))
	}
	var paths []string
	for _, d := range got.Differences {
		if path := tableOf.FindString(d); path != "" && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	z.drop(ctx, tidb, down, paths)
	return nil
}

var (
	tableOf  = regexp.MustCompile("^`(?:[^`]|``)+`\\.`(?:[^`]|``)+`")
	skipping = regexp.MustCompile(`ignore-txn-commit-ts = \[(\d+)\]`)
)

// failed is a difference, with what one needs to look for it.
func (z *fuzzing) failed(after, text string) error {
	return fmt.Errorf("after %q, PUMPHOUSE_SEED=%d, statements in %s (run them again with FUZZ_STATEMENTS=%[3]s):\n%s\nthe last statements:\n%s", after, z.seed, z.file.Name(), text, z.tail(25))
}

// skip starts the drainer again without the transaction that the downstream has refused.
func (z *fuzzing) skip(text string) bool {
	all := skipping.FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		return false
	}
	last := all[len(all)-1][1]
	if slices.Contains(z.ignored, last) {
		return false
	}
	z.ignored = append(z.ignored, last)
	path := filepath.Join(z.c.Drainer.dir, "config.toml")
	config, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	line := "ignore-txn-commit-ts = [" + strings.Join(z.ignored, ",") + "]\n"
	config = regexp.MustCompile(`(?m)^ignore-txn-commit-ts.*\n`).ReplaceAll(config, nil)
	config = []byte(strings.Replace(string(config), "[syncer]\n", "[syncer]\n"+line, 1))
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return false
	}
	if err := z.c.Drainer.TryStart(); err != nil {
		z.found = append(z.found, err.Error())
		return false
	}
	err = z.c.CatchUp(z.t.Context())
	if err != nil {
		return z.skip(err.Error())
	}
	return true
}

// refusal is the last error that the drainer has told.
func refusal(text string) string {
	i := strings.LastIndex(text, `msg="drainer exited" `)
	return text[max(i, 0):]
}

// drop makes both sides equal again, by dropping what differs.
func (z *fuzzing) drop(ctx context.Context, tidb, down *sql.DB, paths []string) {
	for _, path := range paths {
		for _, q := range []string{"drop table if exists " + path, "drop view if exists " + path, "drop sequence if exists " + path} {
			_, _ = tidb.ExecContext(ctx, q)
		}
	}
	_ = z.c.CatchUp(ctx)
	for _, path := range paths {
		for _, q := range []string{"set foreign_key_checks = 0; drop table if exists " + path, "drop view if exists " + path} {
			_, _ = down.ExecContext(ctx, q)
		}
	}
}

// tail is the last statements of sessions, as written down.
func (z *fuzzing) tail(n int) string {
	text, err := os.ReadFile(z.file.Name())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	var cut []string
	for _, l := range lines[max(0, len(lines)-n):] {
		cut = append(cut, "  "+l[:min(len(l), 700)])
	}
	return strings.Join(cut, "\n")
}

// run runs every kind and then random ones for that long.
func (z *fuzzing) run(lasts time.Duration) {
	z.t.Helper()
	every := 40
	if z.each > 0 {
		every = z.each
	}
	ctx, end := context.WithTimeout(z.t.Context(), lasts)
	defer end()
	err := z.statements(ctx, every)
	if err == nil {
		err = z.c.Settled(z.t.Context())
	}
	if err == nil {
		err = z.check("everything")
	}
	text, never := z.f.Summary()
	z.t.Log(text)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		z.t.Error(err)
	}
	for _, d := range z.found {
		z.t.Errorf("DIFFERENCE %s", d)
	}
	for _, n := range never {
		z.t.Errorf("the fuzz has never succeeded with %s", n)
	}
}

func (z *fuzzing) statements(ctx context.Context, every int) error {
	if path := os.Getenv("FUZZ_STATEMENTS"); path != "" {
		list, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return z.f.Replay(ctx, string(list))
	}
	check := z.check
	if z.each != 1 {
		check = nil
	}
	if err := z.f.First(ctx, check); err != nil {
		return err
	}
	if err := z.check("all kinds once"); err != nil {
		return err
	}
	steps := math.MaxInt
	if !form.Long() && z.each == 0 {
		steps = every // as many as the seed of the short form is known for, however fast the machine is
	}
	return z.f.Run(ctx, steps, every, z.check)
}

// shortSeed is that of the short form, which has to pass on every change: what a new seed finds is for the long form,
// and that takes PUMPHOUSE_SEED.
const shortSeed = 424358

func fuzzSeed(t *testing.T) uint64 {
	if !form.Long() {
		return shortSeed
	}
	return form.Seed(t)
}

func fuzzTime(t *testing.T) time.Duration {
	if form.Long() {
		return 10 * time.Minute
	}
	return seconds(t, 60)
}

// TestDDLFuzz: after DDL of all kinds, by sessions of six time zones and sql_modes, a MariaDB has the
// tables and rows that TiDB has.
func TestDDLFuzz(t *testing.T) { newFuzzing(t, Options{}).run(fuzzTime(t)) }

// TestDDLFuzzToTiDB is the same with a TiDB downstream, where DDL takes longer.
func TestDDLFuzzToTiDB(t *testing.T) {
	lasts := fuzzTime(t)
	if !form.Long() {
		lasts /= 2
	}
	newFuzzing(t, Options{ToTiDB: true}).run(lasts)
}

// TestDDLFuzzLastVersion is the same with the last TiDB that writes binlogs.
func TestDDLFuzzLastVersion(t *testing.T) {
	form.LongOnly(t, "the last TiDB with binlog")
	t.Run("to MariaDB", func(t *testing.T) { newFuzzing(t, Options{Year: 2024}).run(fuzzTime(t)) })
	t.Run("to TiDB", func(t *testing.T) { newFuzzing(t, Options{Year: 2024, ToTiDB: true}).run(fuzzTime(t)) })
}

package replication

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Fuzz runs random DDL of every kind that TiDB writes into binlogs, between and beside rows, from
// sessions that could hardly be more different. What it does depends on its seed and on what is in
// the TiDB: it reads the tables there before each step, so a statement that fails upsets nothing.
// Statements are written down in order; [Fuzz.Replay] runs such a list again.
type Fuzz struct {
	// ToTiDB: the downstream is a TiDB.
	ToTiDB bool
	// Year is that of the TiDB: 2023 or 2024.
	Year int

	db       *sql.DB
	r        *rand.Rand
	sessions []*session
	serial   int // for new names
	state    state

	mu    sync.Mutex // guards the rest: two sessions work while a DDL is under way
	file  *os.File
	kinds map[string]*tally
}

// session is one connection, as its client has set it up.
type session struct {
	number   int
	conn     *sql.Conn
	setup    []string
	database string // the current one
	loose    bool   // its sql_mode takes zero dates
	ansi     bool   // names may stand in double quotes
	letters  func(string) string
}

// kinds of sessions: time zone, sql_mode, and how they write names.
var sessionKinds = []struct {
	zone, mode string
	letters    func(string) string
}{
	{"+08:00", "DEFAULT", nil},
	{"-11:00", "''", strings.ToUpper},
	{"America/New_York", "'ANSI_QUOTES,PIPES_AS_CONCAT,STRICT_TRANS_TABLES'", nil},
	{"SYSTEM", "'NO_BACKSLASH_ESCAPES,STRICT_TRANS_TABLES'", strings.ToLower},
	{"+14:00", "'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'", alternate},
	{"Asia/Kathmandu", "'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO'", nil},
}

// fuzzDatabases are always there; others come and go. Their letters' case is meant.
var fuzzDatabases = []string{"fuzz_a", "Fuzz_B", "fuzz`c"}

// NewFuzz makes one for a TiDB whose connections db gives, and creates its databases. Statements
// are written to file.
func NewFuzz(ctx context.Context, db *sql.DB, file *os.File, seed uint64) (*Fuzz, error) {
	f := &Fuzz{db: db, r: rand.New(rand.NewPCG(seed, 4711)), file: file, kinds: map[string]*tally{}, Year: 2023}
	for _, q := range []string{
		// RECOVER and FLASHBACK ask what garbage collection has left; it runs for the first time after ten minutes.
		"insert ignore into mysql.tidb values ('tikv_gc_safe_point', '20200101-00:00:00.000 +0000', '')",
		"set global tidb_enable_resource_control = on", "set global tidb_enable_foreign_key = on",
		"set global tidb_enable_alter_placement = on",
	} {
		_, _ = db.ExecContext(ctx, q) // some versions know no such thing
	}
	for i, k := range sessionKinds {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		s := &session{number: i, conn: conn, letters: k.letters, loose: k.mode == "''", ansi: strings.Contains(k.mode, "ANSI")}
		s.setup = []string{"set time_zone = '" + k.zone + "'", "set sql_mode = " + k.mode, "set tidb_enable_exchange_partition = on", "set tidb_enable_list_partition = on", "set allow_auto_random_explicit_insert = on"}
		for _, q := range s.setup {
			if err := f.exec(ctx, s, "", q); err != nil {
				return nil, fmt.Errorf("%s: %w", q, err)
			}
		}
		f.sessions = append(f.sessions, s)
	}
	for _, name := range fuzzDatabases {
		if err := f.exec(ctx, f.sessions[0], "", "create database "+quote(name)); err != nil {
			return nil, err
		}
	}
	for _, s := range f.sessions {
		if err := f.use(ctx, s, fuzzDatabases[s.number%len(fuzzDatabases)]); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Close ends the sessions.
func (f *Fuzz) Close() {
	for _, s := range f.sessions {
		_ = s.conn.Close()
	}
}

// exec runs one statement of a session and writes it down, with how it ended. Under a kind it is
// counted.
func (f *Fuzz) exec(ctx context.Context, s *session, kind, query string) error {
	query = strings.NewReplacer("\n", " ", "\t", " ").Replace(query)
	f.mu.Lock()
	fmt.Fprintf(f.file, "%d\t%s\n", s.number, query)
	f.mu.Unlock()
	began := time.Now()
	_, err := s.conn.ExecContext(context.WithoutCancel(ctx), query) // what is begun is finished, and the session stays
	if gone(err) {                                                  // TiDB closes the connection when a statement makes it panic, which some of these do
		if again := f.reopen(ctx, s); again != nil {
			return fmt.Errorf("connect again after %w: %w", err, again)
		}
		err = &mysql.MySQLError{Number: lostConnection, Message: err.Error()}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if took := time.Since(began); took > time.Second {
		fmt.Fprintf(f.file, "-- %d: took %s\n", s.number, took)
	}
	if err != nil {
		fmt.Fprintf(f.file, "-- %d: %s\n", s.number, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	if kind == "" {
		return err
	}
	t := f.kinds[kind]
	if t == nil {
		t = &tally{}
		f.kinds[kind] = t
	}
	if err == nil {
		t.ok++
	} else {
		t.failed++
		t.last = fmt.Errorf("%.300s: %w", query, err)
	}
	return err
}

// lostConnection is the number that clients give to a connection that ended under a statement.
const lostConnection = 2013

// reopen gives a session a new connection, set up as the old one was.
func (f *Fuzz) reopen(ctx context.Context, s *session) error {
	_ = s.conn.Close() // it is gone
	conn, err := f.db.Conn(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	s.conn = conn
	for _, q := range append(slices.Clone(s.setup), "use "+quote(s.database)) {
		if _, err := conn.ExecContext(context.WithoutCancel(ctx), q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	return nil
}

func (f *Fuzz) use(ctx context.Context, s *session, name string) error {
	err := f.exec(ctx, s, "", "use "+quote(name))
	if err == nil {
		s.database = name
	}
	return err
}

// Replay runs statements that were written down.
func (f *Fuzz) Replay(ctx context.Context, list string) error {
	for line := range strings.Lines(list) {
		var number int
		text, query, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if _, err := fmt.Sscan(text, &number); err != nil || !ok || number < 0 || number >= len(f.sessions) {
			continue // how one has ended
		}
		if err := f.exec(ctx, f.sessions[number], "replayed", query); gone(err) {
			return err
		}
	}
	return ctx.Err()
}

// gone reports whether an error is not the server's answer to a statement.
func gone(err error) bool {
	var answer *mysql.MySQLError
	return err != nil && !errors.As(err, &answer)
}

// First runs every kind until it has succeeded once, three times at most, with check after each.
func (f *Fuzz) First(ctx context.Context, check func(kind string) error) error {
	order := f.r.Perm(len(fuzzKinds))
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rank(fuzzKinds[a].name), rank(fuzzKinds[b].name)) })
	for _, i := range order {
		k := &fuzzKinds[i]
		if f.excluded(k) {
			continue
		}
		for range 4 {
			ran, done, err := f.step(ctx, k)
			if err == nil && ran && check != nil {
				err = check(k.name)
			}
			if err != nil || ctx.Err() != nil {
				return err
			}
			if done {
				break
			}
		}
	}
	return nil
}

// rank puts what makes things before what needs them.
func rank(kind string) int {
	switch {
	case strings.HasPrefix(kind, "create table"):
		return 0
	case strings.HasPrefix(kind, "create"), strings.HasPrefix(kind, "add"):
		return 1
	}
	return 2
}

// Run runs that many steps of random kinds, or until ctx is done; check is called after every few, when
// nothing is under way.
func (f *Fuzz) Run(ctx context.Context, steps, every int, check func(kind string) error) error {
	for n := 1; n <= steps && ctx.Err() == nil; n++ {
		k := &fuzzKinds[f.r.IntN(len(fuzzKinds))]
		if f.excluded(k) {
			continue
		}
		ran, _, err := f.step(ctx, k)
		if err != nil {
			return err
		}
		if n%every == 0 && ran && ctx.Err() == nil {
			if err := check(k.name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *Fuzz) excluded(k *fuzzKind) bool {
	return k.year > f.Year || k.tidb && !f.ToTiDB || notYet(k.name, f.ToTiDB) != ""
}

// step is one DDL of a random session, in half the cases with rows of another session at the same
// time, and some rows after it. An error is one of the server, not of a statement. ran: there was
// something to do; done: every statement has succeeded.
func (f *Fuzz) step(ctx context.Context, k *fuzzKind) (ran, done bool, err error) {
	s := f.sessions[f.r.IntN(len(f.sessions))]
	if err := f.state.read(ctx, f.db); err != nil {
		return false, false, fmt.Errorf("read what is in TiDB: %w", err)
	}
	if f.r.IntN(4) == 0 {
		if err := f.use(ctx, s, fuzzDatabases[f.r.IntN(len(fuzzDatabases))]); err != nil {
			return false, false, err
		}
	}
	list := k.make(f, s)
	if len(list) == 0 {
		return false, false, nil
	}
	stop := func() {}
	if !k.alone && f.r.IntN(2) == 0 {
		stop = f.beside(ctx, s, k.reuses)
	}
	done = true
	for _, q := range list {
		if err = f.exec(ctx, s, k.name, q); err != nil {
			done = false
			break
		}
	}
	stop()
	if gone(err) {
		return true, false, fmt.Errorf("%s: %w", k.name, err)
	}
	return true, done, f.rows(ctx)
}

// beside lets another session write rows until it is told to stop. plain: as rower has it.
func (f *Fuzz) beside(ctx context.Context, not *session, plain bool) (stop func()) {
	other := f.sessions[(not.number+1+f.r.IntN(len(f.sessions)-1))%len(f.sessions)]
	writer := &rower{f: f, s: other, r: rand.New(rand.NewPCG(f.r.Uint64(), 1)), tables: slices.Clone(f.state.base()), plain: plain}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil && writer.write(ctx) {
			pause(ctx)
		}
	})
	return func() { cancel(); wg.Wait() }
}

// rows writes to a few tables, in one session.
func (f *Fuzz) rows(ctx context.Context) error {
	if err := f.state.read(ctx, f.db); err != nil {
		return fmt.Errorf("read what is in TiDB: %w", err)
	}
	w := &rower{f: f, s: f.sessions[f.r.IntN(len(f.sessions))], r: f.r, tables: f.state.base()}
	for range 3 {
		w.write(ctx)
	}
	return nil
}

// Summary says how often each kind succeeded, and which never did in twenty attempts.
func (f *Fuzz) Summary() (text string, never []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return summary(f.kinds, 20)
}

// one is a random element.
func one[T any](f *Fuzz, list []T) T { return list[f.r.IntN(len(list))] }

// maybe is a text in one of n cases, else empty.
func (f *Fuzz) maybe(n int, text string) string {
	if f.r.IntN(n) == 0 {
		return text
	}
	return ""
}

// fresh is a new name. Some need quotes.
func (f *Fuzz) fresh(prefix string) string {
	f.serial++
	return fmt.Sprintf("%s%s%d", prefix, one(f, []string{"", "", "", "X", "`", " y ", "ä中"}), f.serial)
}

// table writes a table's name as the session does: with its database or without where that is the
// current one, in letters of any case.
func (f *Fuzz) table(s *session, t *subject) string { return f.path(s, t.schema, t.name, true) }

// path is table for a name that need not be there yet: then the letters' case is meant.
func (f *Fuzz) path(s *session, schema, name string, there bool) string {
	if there && s.letters != nil && f.r.IntN(2) == 0 {
		name = ascii7(s.letters, name)
	}
	if strings.EqualFold(schema, s.database) && f.r.IntN(3) > 0 {
		return s.quote(name)
	}
	if s.letters != nil && f.r.IntN(2) == 0 {
		schema = ascii7(s.letters, schema)
	}
	return s.quote(schema) + "." + s.quote(name)
}

// column writes a column's or index's name.
func (f *Fuzz) column(s *session, name string) string {
	if s.letters != nil && f.r.IntN(3) == 0 {
		name = ascii7(s.letters, name)
	}
	return s.quote(name)
}

func (s *session) quote(name string) string {
	if s.ansi {
		return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	return quote(name)
}

// alternate is every other letter in upper case.
func alternate(s string) string {
	if s[0]%2 == 0 {
		return strings.ToUpper(s)
	}
	return strings.ToLower(s)
}

// ascii7 changes letters of ASCII only: what the others' lower case is, servers disagree on.
func ascii7(change func(string) string, s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < 0x80 {
			b.WriteString(change(string(r)))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

package pump

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// clockRig runs a clock over a real store, with time and PD in the test's hands: the clock
// stands still in each sleep until step lets it go on.
type clockRig struct {
	t      *testing.T
	store  *storage.Store
	now    nodes.TSO // what PD gives next
	pdErr  error     // what PD gives instead
	asked  int       // how often PD was asked
	pulled bool
	wakes  bool // all who pull wake the clock
	woken  bool

	sleeps chan time.Duration
	wake   chan struct{}
	slept  time.Duration // the sleep the clock is in
	rests  bool          // which is a rest
}

func newClockRig(t *testing.T, interval time.Duration) *clockRig {
	store, err := storage.Open(storage.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	r := &clockRig{t: t, store: store, now: 1000, pulled: true, sleeps: make(chan time.Duration), wake: make(chan struct{})}
	c := &clock{
		store: store, interval: interval,
		pulled: func() bool { return r.pulled }, mayRest: func() bool { return r.wakes },
		woken: func() bool { was := r.woken; r.woken = false; return was },
		tso: func(context.Context) (nodes.TSO, error) {
			r.asked++
			r.now++
			return r.now, r.pdErr
		},
		sleep: func(ctx context.Context, d time.Duration, rests bool) bool {
			r.rests = rests
			select {
			case r.sleeps <- d:
			case <-ctx.Done():
				return false
			}
			select {
			case <-r.wake:
				return true
			case <-ctx.Done():
				return false
			}
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); c.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	r.slept = <-r.sleeps
	return r
}

// step ends the clock's sleep, and returns when it sleeps again, for how long.
func (r *clockRig) step() time.Duration {
	r.wake <- struct{}{}
	r.slept = <-r.sleeps
	return r.slept
}

func (r *clockRig) append(rec storage.Record) {
	r.t.Helper()
	if err := r.store.Append(r.t.Context(), rec); err != nil {
		r.t.Fatal(err)
	}
}

func (r *clockRig) prewrite(start nodes.TSO) {
	r.t.Helper()
	ts := int64(start)
	payload, err := binlogpb.EncodeBinlog(&binlogpb.Binlog{Tp: binlogpb.BinlogType_Prewrite.Enum(), StartTs: &ts,
		PrewriteKey: []byte("k"), PrewriteValue: []byte{8, 0}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.append(storage.Record{Type: storage.Prewrite, StartTS: start, Payload: payload})
}

func (r *clockRig) commit(start, commit nodes.TSO) {
	r.t.Helper()
	r.append(storage.Record{Type: storage.Commit, StartTS: start, CommitTS: commit})
}

// tick is a new TSO, as a transaction gets it.
func (r *clockRig) tick() nodes.TSO { r.now++; return r.now }

func TestClockForwardsTimeToPullers(t *testing.T) {
	r := newClockRig(t, 3*time.Second)
	puller, err := r.store.Pull(0)
	if err != nil {
		t.Fatal(err)
	}
	defer puller.Close()
	for range 3 {
		r.step()
		e, err := puller.Next(t.Context())
		if err != nil || !e.Fake() || e.CommitTS != r.now {
			t.Fatalf("an idle pump delivered %+v, %v; want a fake binlog at %s", e, err, r.now)
		}
	}
}

func TestClockPace(t *testing.T) {
	r := newClockRig(t, 3*time.Second)
	quiet := func() {
		t.Helper()
		for before, i := r.slept, 0; r.step() != clockIdle; before, i = r.slept, i+1 {
			if r.slept <= before || i > 100 {
				t.Fatalf("the pace went from %s to %s without traffic", before, r.slept)
			}
		}
		if got := r.step(); got != clockIdle {
			t.Fatalf("a quiet pump waits %s, want %s", got, clockIdle)
		}
	}
	if r.slept != clockSoon {
		t.Errorf("it begins with %s, want %s", r.slept, clockSoon)
	}
	quiet()
	// One transaction a second is traffic each time, and quiet in between.
	for range 3 {
		start := r.tick()
		r.prewrite(start)
		r.commit(start, r.tick())
		if got := r.step(); got != clockSoon {
			t.Fatalf("after a transaction it waits %s, want %s", got, clockSoon)
		}
		quiet()
	}
	r.pulled = false
	if got := r.step(); got != 3*time.Second {
		t.Errorf("with nobody pulling it waits %s, want the interval", got)
	}
	r.pulled = true
	if got := r.step(); got != clockIdle {
		t.Errorf("with a puller again it waits %s, want %s", got, clockIdle)
	}
}

// quieten lets the clock run without news until it rests, and gives how long it has told the time often.
func (r *clockRig) quieten() (awake time.Duration) {
	r.t.Helper()
	for !r.rests {
		if awake += r.slept; awake > time.Minute {
			r.t.Fatal("without news the clock does not rest")
		}
		r.step()
	}
	return awake
}

// A clock that nobody needs asks PD once an interval, and is as fast as ever with the first write, or when it is woken.
func TestClockRests(t *testing.T) {
	r := newClockRig(t, 3*time.Second)
	r.wakes = true
	if awake := r.quieten(); awake < 3*time.Second || r.slept != 3*time.Second {
		t.Fatalf("it rests after %s, for %s; drainers wake it once a second", awake, r.slept)
	}
	asked := r.asked
	if r.step(); r.asked != asked+1 || !r.rests || r.store.MaxCommitTS() != r.now {
		t.Fatalf("after a rest it asked PD %d times, and rests: %t", r.asked-asked, r.rests)
	}

	r.woken = true
	if got := r.step(); got != clockIdle || r.rests || r.store.MaxCommitTS() != r.now {
		t.Fatalf("woken it waits %s, want %s", got, clockIdle)
	}
	// Woken again and again it stays awake, and is not faster for it.
	for range 2 * clockQuiet {
		r.woken = true
		if got := r.step(); got != clockIdle || r.rests {
			t.Fatalf("woken while it is awake it waits %s, want %s", got, clockIdle)
		}
	}

	r.quieten()
	start := r.tick()
	r.prewrite(start)
	r.commit(start, r.tick())
	r.woken = true // every write does that
	if got := r.step(); got != clockSoon || r.rests {
		t.Fatalf("after a transaction it waits %s, want %s", got, clockSoon)
	}
}

// What others ask PD forwards the time too, and then the clock that rests need not ask.
func TestClockRestsOnWhatOthersAsk(t *testing.T) {
	r := newClockRig(t, 3*time.Second)
	r.wakes = true
	r.quieten()
	asked := r.asked
	for range 3 {
		r.store.Advance(r.tick())
		if r.step(); r.asked != asked || !r.rests {
			t.Fatalf("the time was forwarded, and it asked PD %d times; rests: %t", r.asked-asked, r.rests)
		}
	}
	r.store.Advance(r.tick())
	r.woken = true
	if r.step(); r.asked != asked+1 {
		t.Errorf("woken it asked PD %d times, want once: who woke it waits for what is newer", r.asked-asked)
	}
}

// Upstream's drainers do not wake pumps.
func TestClockDoesNotRestForPlainPullers(t *testing.T) {
	r := newClockRig(t, 3*time.Second)
	for range 3 * clockQuiet {
		if r.step(); r.rests || r.slept > clockIdle {
			t.Fatalf("it waits %s, rests: %t", r.slept, r.rests)
		}
	}
	r.wakes = true
	if r.step(); !r.rests {
		t.Error("with none of them left it does not rest")
	}
	r.wakes = false
	if r.step(); r.rests || r.slept != clockIdle {
		t.Errorf("with one of them again it waits %s, rests: %t", r.slept, r.rests)
	}
}

func TestClockIntervalBoundsPace(t *testing.T) {
	r := newClockRig(t, 5*time.Millisecond)
	for range 3 {
		if r.slept != 5*time.Millisecond {
			t.Fatalf("it waits %s, fake-binlog-interval says 5ms", r.slept)
		}
		r.step()
	}
}

// A prewrite that nobody has ended holds the order whatever time it is; when it ends, the
// time goes on from where the clock is, not from where it was held.
func TestClockBehindUnresolvedPrewrite(t *testing.T) {
	r := newClockRig(t, 3*time.Second)
	r.step()
	held := r.now
	start := r.tick()
	r.prewrite(start)
	for range 5 {
		r.step()
	}
	if got := r.store.MaxCommitTS(); got != held {
		t.Fatalf("with an unresolved prewrite the time went to %s, want it held at %s", got, held)
	}
	forwarded := r.now
	r.append(storage.Record{Type: storage.Rollback, StartTS: start})
	if got := r.store.MaxCommitTS(); got != forwarded {
		t.Errorf("after the rollback the time is %s, want %s", got, forwarded)
	}

	// The same with a commit that is older than times forwarded meanwhile.
	start = r.tick()
	r.prewrite(start)
	commit := r.tick()
	for range 5 {
		r.step()
	}
	forwarded = r.now
	r.commit(start, commit)
	if got := r.store.LastCommitTS(); got != commit {
		t.Errorf("the last transaction is %s, want %s: the clock had overtaken it", got, commit)
	}
	if got := r.store.MaxCommitTS(); got != forwarded {
		t.Errorf("after the commit the time is %s, want %s", got, forwarded)
	}
}

func TestClockWhilePDIsAway(t *testing.T) {
	r := newClockRig(t, 3*time.Second)
	r.step()
	known := r.store.MaxCommitTS()
	r.pdErr = errors.New("PD is away")
	for range 3 {
		asked := r.asked
		if got := r.step(); got != clockRetry || r.asked != asked+1 {
			t.Fatalf("asked PD %d times, then waits %s; want once and %s", r.asked-asked, got, clockRetry)
		}
	}
	if got := r.store.MaxCommitTS(); got != known {
		t.Errorf("without PD the time went from %s to %s", known, got)
	}
	// Transactions go on, and tell the time themselves.
	start := r.tick()
	r.prewrite(start)
	commit := r.tick()
	r.commit(start, commit)
	if got := r.store.MaxCommitTS(); got != commit {
		t.Errorf("after a commit at %s the time is %s", commit, got)
	}
	r.pdErr = nil
	if got := r.step(); got != clockSoon || r.store.MaxCommitTS() != r.now {
		t.Errorf("with PD back it waits %s at %s, want %s at %s", got, r.store.MaxCommitTS(), clockSoon, r.now)
	}
}

// A PD that gives an old time, as after a clock was set back, moves nothing backwards.
func TestClockNeverGoesBack(t *testing.T) {
	r := newClockRig(t, 3*time.Second)
	r.step()
	before := r.store.MaxCommitTS()
	r.now = 10
	r.step()
	if got := r.store.MaxCommitTS(); got != before {
		t.Errorf("the time went from %s to %s", before, got)
	}
}

func TestClockWakesForFirstPuller(t *testing.T) {
	p := pullers{came: make(chan struct{}, 1)}
	p.enter(true)
	p.enter(true) // does not wait for the clock to hear of it
	if !p.sleep(t.Context(), time.Hour, false) {
		t.Error("after a pull began it says that the context has ended")
	}
	woke := make(chan bool)
	go func() { woke <- p.sleep(t.Context(), time.Hour, false) }()
	p.enter(true)
	if !<-woke {
		t.Error("when a pull begins it says that the context has ended")
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { woke <- p.sleep(ctx, time.Hour, false) }()
	cancel()
	if <-woke {
		t.Error("it goes on although the context has ended")
	}
}

// Only a rest ends early, whatever was first: the wake, or the rest.
func TestClockRestEndsWhenWoken(t *testing.T) {
	p := pullers{came: make(chan struct{}, 1)}
	p.wake()
	if !p.sleep(t.Context(), time.Hour, true) || !p.wasWoken() || p.wasWoken() {
		t.Fatal("what woke it before the rest began is not noted once")
	}
	for range 100 {
		woke := make(chan bool)
		go func() { woke <- p.sleep(t.Context(), time.Hour, true) }()
		p.wake()
		if !<-woke || !p.wasWoken() {
			t.Fatal("the rest has ended otherwise than by the wake")
		}
		select { // it may have come between the look and the wait
		case <-p.came:
		default:
		}
	}
	synctest.Test(t, func(t *testing.T) {
		p := pullers{came: make(chan struct{}, 1)}
		began, woke := time.Now(), make(chan bool)
		go func() { woke <- p.sleep(t.Context(), clockSoon, false) }()
		synctest.Wait()
		for range 100 {
			p.wake()
		}
		if <-woke; time.Since(began) < clockSoon || !p.wasWoken() {
			t.Errorf("a sleep that is no rest ended after %s", time.Since(began))
		}
	})
}

func TestPullersThatWake(t *testing.T) {
	p := pullers{came: make(chan struct{}, 1)}
	leave := p.enter(false)
	p.enter(true)
	if p.allWake() || p.n.Load() != 2 || !p.wasWoken() {
		t.Errorf("with one that does not wake: %t, %d", p.allWake(), p.n.Load())
	}
	leave()
	if !p.allWake() || p.n.Load() != 1 {
		t.Errorf("without it: %t, %d", p.allWake(), p.n.Load())
	}
}

package nodes

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// TestProblemsKeepSince: a problem that is set again keeps the time when it was seen first, per code
// and key, and goes when it is cleared.
func TestProblemsKeepSince(t *testing.T) {
	var s Problems
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	set := func(code ProblemCode, key, text string, after time.Duration) bool {
		return s.Set(Problem{Code: code, Key: key, Text: text, Since: at.Add(after)})
	}
	if !set(ProblemPumpUnreachable, "p2", "refused", 2) || !set(ProblemPumpUnreachable, "p1", "refused", 0) ||
		!set(ProblemDownstreamDown, "", "no route", time.Hour) {
		t.Error("new problems do not count as new")
	}
	if set(ProblemPumpUnreachable, "p1", "timed out", time.Minute) {
		t.Error("a known problem counts as new")
	}
	want := "[pump-unreachable] timed out; [pump-unreachable] refused; [downstream-down] no route"
	if got := s.Text(); got != want {
		t.Errorf("problems %q, want %q", got, want)
	}
	if first := s.List()[0]; !first.Since.Equal(at) {
		t.Errorf("a problem since %s, want %s", first.Since, at)
	}
	s.ClearKey(ProblemPumpUnreachable, "p2")
	s.Replace(ProblemDownstreamDown, Problem{Key: "other", Text: "x"})
	if got, want := s.Text(), "[pump-unreachable] timed out; [downstream-down] x"; got != want {
		t.Errorf("problems %q, want %q", got, want)
	}
	s.Clear(ProblemPumpUnreachable)
	s.Replace(ProblemDownstreamDown)
	if raw, err := json.Marshal(s.List()); string(raw) != "[]" || err != nil {
		t.Errorf("no problems are %s in JSON, %v", raw, err)
	}
}

// TestProblemsAreBounded: whatever a node meets, what it publishes stays small, is one line of
// UTF-8, and can be cleared by the same key.
func TestProblemsAreBounded(t *testing.T) {
	var s Problems
	long := strings.Repeat("ä\n\xff", 5000)
	for i := range 1000 {
		s.Set(Problem{Code: ProblemOther, Key: fmt.Sprint(i, long), Text: long, Cure: long})
	}
	list := s.List()
	raw, err := json.Marshal(list)
	if err != nil || len(list) < 10 || len(raw) > 128<<10 {
		t.Fatalf("%d problems in %d bytes (%v)", len(list), len(raw), err)
	}
	for _, p := range list {
		if text := p.String(); !utf8.ValidString(text) || strings.Contains(text, "\n") || !strings.HasSuffix(p.Text, "…") {
			t.Errorf("text %.40q…", text)
		}
	}
	s.ClearKey(ProblemOther, fmt.Sprint(0, long))
	if now := s.List(); len(now) != len(list)-1 {
		t.Errorf("%d problems after one of %d was cleared", len(now), len(list))
	}
}

// TestProblemsHideSecrets: passwords do not get out in a text, neither those that the service
// knows nor those in addresses.
func TestProblemsHideSecrets(t *testing.T) {
	var s Problems
	s.Hide("s3cret pw", "")
	s.Set(Problem{Code: ProblemDownstreamDown, Key: "s3cret pw", Text: "dial root:hunter2@tcp(10.0.0.5:3306)/shop: refused s3cret pw",
		Cure: "check http://admin:hunter2@10.0.0.5:2379/x and the port 10.0.0.5:2379 at 08:45:01"})
	p := s.List()[0]
	for _, text := range []string{p.Key, p.Text, p.Cure} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "s3cret") {
			t.Errorf("a secret is in %q", text)
		}
	}
	for _, want := range []string{"root:***@tcp(10.0.0.5:3306)/shop: refused", "http://admin:***@10.0.0.5:2379/x and the port 10.0.0.5:2379 at 08:45:01"} {
		if !strings.Contains(p.String(), want) {
			t.Errorf("%q lacks %q", p, want)
		}
	}
}

// TestProblemsRace: parts of a node report at the same time.
func TestProblemsRace(t *testing.T) {
	var s Problems
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			key := fmt.Sprint("p", i)
			for range 200 {
				s.Set(Problem{Code: ProblemPumpUnreachable, Key: key, Text: "x"})
				s.Replace(ProblemDiskFull, Problem{Key: key, Text: "full"})
				s.Hide(key + "-secret")
				_ = s.Text()
				s.ClearKey(ProblemPumpUnreachable, key)
			}
			s.Replace(ProblemDiskFull)
		})
	}
	wg.Wait()
	s.Clear(ProblemDiskFull)
	if got := s.Text(); got != "" {
		t.Errorf("left: %s", got)
	}
}

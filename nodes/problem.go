package nodes

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"pumphouse/internal/secret"
)

// ProblemCode names a kind of problem that a node reports: lower case words joined by hyphens.
// docs/problems.md has a section for each: what it means, what is at risk, what to do.
type ProblemCode string

// The problems of pumps and drainers.
const (
	ProblemStatementRefused    ProblemCode = "statement-refused"      // the downstream refuses a statement: the drainer stops
	ProblemDownstreamDown      ProblemCode = "downstream-down"        // the downstream cannot be reached
	ProblemDownstreamReadOnly  ProblemCode = "downstream-read-only"   // the downstream takes no writes
	ProblemDownstreamSlow      ProblemCode = "downstream-slow"        // a transaction has been under way downstream for long
	ProblemDiskFull            ProblemCode = "disk-full"              // a disk is full, or at the threshold
	ProblemPDAway              ProblemCode = "pd-away"                // PD does not answer
	ProblemTiKVAway            ProblemCode = "tikv-away"              // TiKV does not answer
	ProblemClusterMismatch     ProblemCode = "cluster-mismatch"       // the data or the checkpoint belongs to another cluster
	ProblemHistoryUnreadable   ProblemCode = "ddl-history-unreadable" // TiDB's DDL history cannot be read, or does not suffice
	ProblemPurged              ProblemCode = "purged"                 // binlogs that a drainer needs have been removed
	ProblemUnresolved          ProblemCode = "unresolved-transaction" // a transaction without an outcome holds back delivery
	ProblemDivergence          ProblemCode = "divergence"             // rows downstream are not as upstream
	ProblemFsyncFailed         ProblemCode = "fsync-failed"           // a write to a node's own disk failed
	ProblemDataDamaged         ProblemCode = "data-damaged"           // a log, checkpoint or relay log is corrupt
	ProblemDataMissing         ProblemCode = "data-missing"           // a log or a checkpoint knows less than the node's record in PD
	ProblemCheckpoint          ProblemCode = "checkpoint-unwritable"  // the checkpoint cannot be saved
	ProblemCertificateExpiring ProblemCode = "certificate-expiring"   // the node's certificate ends soon
	ProblemCertificateExpired  ProblemCode = "certificate-expired"    // the node's certificate has ended, or is not valid yet
	ProblemClockSkew           ProblemCode = "clock-skew"             // the machine's clock is not PD's
	ProblemPDClockBack         ProblemCode = "pd-clock-back"          // PD's clock is below what the log holds
	ProblemVersionMix          ProblemCode = "version-mix"            // nodes of other versions are in the cluster
	ProblemTakeover            ProblemCode = "takeover"               // two processes with one node ID
	ProblemPumpUnreachable     ProblemCode = "pump-unreachable"       // a drainer cannot pull from a pump
	ProblemReplicationBlocked  ProblemCode = "replication-blocked"    // a pump that is connected delivers nothing
	ProblemDrainerUnreachable  ProblemCode = "drainer-unreachable"    // a pump that starts cannot notify a drainer
	ProblemLost                ProblemCode = "binlogs-lost"           // committed transactions that no drainer will be given
	ProblemRecordBroken        ProblemCode = "record-broken"          // a node's record in PD cannot be read
	ProblemNotReporting        ProblemCode = "not-reporting"          // seen by the console: a node's process does not write its record
	ProblemNotAnswering        ProblemCode = "not-answering"          // seen by the console: it does, and does not answer over HTTP
	ProblemOther               ProblemCode = "other"                  // everything else that ends a node
)

// ProblemCodes lists every code, in the order of docs/problems.md.
func ProblemCodes() []ProblemCode {
	return []ProblemCode{
		ProblemStatementRefused, ProblemDownstreamDown, ProblemDownstreamReadOnly, ProblemDownstreamSlow, ProblemDivergence,
		ProblemCheckpoint, ProblemHistoryUnreadable, ProblemPumpUnreachable, ProblemReplicationBlocked, ProblemUnresolved,
		ProblemPurged, ProblemLost, ProblemDiskFull, ProblemFsyncFailed, ProblemDataDamaged, ProblemDataMissing, ProblemPDAway,
		ProblemTiKVAway, ProblemPDClockBack, ProblemClockSkew, ProblemCertificateExpiring, ProblemCertificateExpired, ProblemVersionMix,
		ProblemTakeover, ProblemDrainerUnreachable, ProblemClusterMismatch, ProblemRecordBroken,
		ProblemNotReporting, ProblemNotAnswering, ProblemOther,
	}
}

// Bounds of what a node publishes.
const (
	maxProblems    = 32   // in one set
	maxProblemText = 1024 // bytes of a text
	maxProblemCure = 512  // bytes of a cure
)

// Problem is something that stops, blocks or endangers a node, as it says itself.
type Problem struct {
	Code ProblemCode `json:"code"`
	// Key is what the problem is about where a node may have several of one code: a pump's node
	// ID, a table, a file. "" = there is one at most.
	Key      string    `json:"key,omitempty"`
	Text     string    `json:"text"`               // what is wrong where, with figures; no secrets
	Since    time.Time `json:"since"`              // when the node saw it first
	CommitTS TSO       `json:"commitTS,omitempty"` // of the transaction that it is about; 0: none
	Cure     string    `json:"cure,omitempty"`     // what to do, with a command where there is one
}

// String is "[code] text; cure".
func (p Problem) String() string {
	s := "[" + string(p.Code) + "] " + p.Text
	if p.Cure != "" {
		s += "; " + p.Cure
	}
	return s
}

// bounded is the problem without secrets and within the bounds.
func (p Problem) bounded(secrets []string) Problem {
	p.Key = cut(secret.Redact(p.Key, secrets), maxNodeID)
	p.Text = cut(secret.Redact(p.Text, secrets), maxProblemText)
	p.Cure = cut(secret.Redact(p.Cure, secrets), maxProblemCure)
	return p
}

// Problems are what a node says is wrong at present. Many goroutines may use it; the zero value
// is empty and ready.
type Problems struct {
	mu      sync.Mutex
	secrets []string
	list    []Problem // in the order in which they were seen first
	looks   map[Sight]int64
}

// Sight is where a node looks for problems again and again.
type Sight string

// The sights, each of which has a rhythm of its own.
const (
	AtItself Sight = "node"
	InPD     Sight = "pd"
)

// Looked counts a look for problems that has ended and saw all there is.
func (s *Problems) Looked(at Sight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looks == nil {
		s.looks = make(map[Sight]int64)
	}
	s.looks[at]++
}

// Looks gives how many looks have ended. What was wrong before two of them began and ended is in the list.
func (s *Problems) Looks(at Sight) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looks[at]
}

// Hide keeps secrets (passwords, tokens) out of every text that is set afterwards.
func (s *Problems) Hide(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets = append(s.secrets, secrets...)
}

// Set notes a problem, and reports whether it is new. One with the same code and key is
// replaced and keeps its Since, which otherwise is p.Since or, where that is zero, now. Texts that
// are too long are cut. When there are too many, new ones are not noted.
func (s *Problems) Set(p Problem) (fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p = p.bounded(s.secrets)
	i := slices.IndexFunc(s.list, func(q Problem) bool { return q.Code == p.Code && q.Key == p.Key })
	if i >= 0 {
		p.Since = s.list[i].Since
		s.list[i] = p
		return false
	}
	if len(s.list) >= maxProblems {
		return false
	}
	if p.Since.IsZero() {
		p.Since = time.Now()
	}
	p.Since = p.Since.UTC().Truncate(time.Millisecond)
	s.list = append(s.list, p)
	return true
}

// Clear removes the problems of a code, whatever their key.
func (s *Problems) Clear(code ProblemCode) {
	s.remove(func(p Problem) bool { return p.Code == code })
}

// ClearKey removes the problem with a code and a key.
func (s *Problems) ClearKey(code ProblemCode, key string) {
	key = Problem{Key: key}.bounded(s.Secrets()).Key
	s.remove(func(p Problem) bool { return p.Code == code && p.Key == key })
}

// Replace makes now all there is of a code: what is not in it is removed.
func (s *Problems) Replace(code ProblemCode, now ...Problem) {
	keys := make([]string, len(now))
	for i, p := range now {
		p.Code = code
		s.Set(p)
		keys[i] = p.bounded(s.Secrets()).Key
	}
	s.remove(func(p Problem) bool { return p.Code == code && !slices.Contains(keys, p.Key) })
}

func (s *Problems) remove(which func(Problem) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(s.list, which)
}

// Secrets are what Hide was given.
func (s *Problems) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.secrets
}

// List gives the problems, the oldest first; never nil, so that JSON shows a list.
func (s *Problems) List() []Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := append([]Problem{}, s.list...)
	slices.SortStableFunc(list, func(a, b Problem) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Key, b.Key))
	})
	return list
}

// Text is all problems in one line, for readers that know no list; "" = none.
func (s *Problems) Text() string {
	var texts []string
	for _, p := range s.List() {
		texts = append(texts, p.String())
	}
	return strings.Join(texts, "; ")
}

// cut gives at most n bytes of a text, and says that there was more. What is not printable UTF-8
// is replaced, so that a text is one line.
func cut(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) <= n {
		return text
	}
	const more = "…"
	n -= len(more)
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + more
}

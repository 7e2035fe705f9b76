package problems

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pumphouse/drainer"
	"pumphouse/internal/certfile"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/nodes/survey"
	"pumphouse/pump/storage"
	"pumphouse/server/web"
	"pumphouse/testsuite/rig"
)

// TestEveryProblemWithin3s adds up, for each code, the rhythms of all that look for it: from its cause, or from when it has lasted as long as
// docs/problems.md says, to the page, which is the last to show it. The other tests count looks, since a busy machine takes its time for
// each of them: what was there before a look began is seen by it.
func TestEveryProblemWithin3s(t *testing.T) {
	const (
		shown = survey.DefaultInterval + web.FreshFor // when /status has it
		ended = shown + survey.DefaultTimeout         // exits are read when the nodes have answered, or have not
	)
	seen := make(map[nodes.ProblemCode]bool)
	for code, takes := range map[nodes.ProblemCode]time.Duration{
		// What ends a node, or refuses it a start.
		nodes.ProblemStatementRefused: ended, nodes.ProblemFsyncFailed: ended, nodes.ProblemDataDamaged: ended, nodes.ProblemDataMissing: ended,
		nodes.ProblemDrainerUnreachable: ended, nodes.ProblemClusterMismatch: ended, nodes.ProblemOther: ended,
		// What is noted where it happens, or looked at when somebody asks.
		nodes.ProblemDownstreamReadOnly: shown, nodes.ProblemDivergence: shown, nodes.ProblemPumpUnreachable: shown, nodes.ProblemUnresolved: shown,
		nodes.ProblemLost: shown, nodes.ProblemTiKVAway: shown,
		nodes.ProblemReplicationBlocked: drainer.WatchEvery + shown, nodes.ProblemVersionMix: drainer.WatchEvery + shown,
		nodes.ProblemDownstreamDown: drainer.DefaultSaveEvery + shown, nodes.ProblemCheckpoint: drainer.DefaultSaveEvery + shown,
		nodes.ProblemDiskFull: storage.LookEvery + shown,
		// What a node looks for.
		nodes.ProblemDownstreamSlow: life.LookEvery + shown, nodes.ProblemHistoryUnreadable: life.LookEvery + shown,
		nodes.ProblemCertificateExpiring: certfile.Recheck + life.LookEvery + shown,
		nodes.ProblemCertificateExpired:  certfile.Recheck + life.LookEvery + shown,
		nodes.ProblemTakeover:            life.LookInPDEvery + shown, nodes.ProblemRecordBroken: life.LookInPDEvery + shown,
		nodes.ProblemClockSkew: life.LookInPDEvery + shown, nodes.ProblemPDClockBack: life.LookInPDEvery + shown, nodes.ProblemPDAway: life.LookInPDEvery + shown,
		nodes.ProblemPurged: life.LookInPDEvery + shown, // until it goes
		// What the console sees.
		nodes.ProblemNotReporting: web.FreshFor, nodes.ProblemNotAnswering: survey.DefaultTimeout + shown,
	} {
		if takes > 3*time.Second {
			t.Errorf("%s is shown %v after its cause", code, takes)
		}
		seen[code] = true
	}
	for _, code := range nodes.ProblemCodes() {
		if !seen[code] {
			t.Errorf("how long it takes to show %s is not said", code)
		}
	}
}

// looked waits until a node has looked twice more: what was wrong before is in its metrics, and in its /status.
func (l *troubled) looked(kind nodes.Kind, nodeID string, at nodes.Sight) {
	l.Helper()
	looks := func() int64 {
		text, err := l.metrics(kind, nodeID)
		if err != nil {
			return -1
		}
		return sample(text, fmt.Sprintf("pumphouse_node_looks_total{at=%q,kind=%q,node=%q}", at, kind, nodeID))
	}
	var first int64 = -1
	rig.Eventually(l, rig.Timeout, fmt.Sprintf("two more looks of %s at %s", nodeID, at), func() (bool, string) {
		now := looks()
		if first < 0 {
			first = now
		}
		return first >= 0 && now >= first+2, fmt.Sprintf("%d looks, then %d", first, now)
	})
}

// asked waits until the console has asked the nodes in two more rounds, and has made its page and its metrics anew.
func (l *troubled) asked() {
	l.Helper()
	var first int64 = -1
	rig.Eventually(l, rig.Timeout, "two more rounds of the console", func() (bool, string) {
		now := sample(l.read("metrics"), "pumphouse_console_rounds_total")
		if first < 0 {
			first = now
		}
		return first >= 0 && now >= first+2, fmt.Sprintf("%d rounds, then %d", first, now)
	})
	made := ""
	rig.Eventually(l, rig.Timeout, "a page that was made after that", func() (bool, string) {
		now := pageTime.FindString(l.read(""))
		if made == "" {
			made = now
		}
		return now != "" && now != made, made + now
	})
}

var pageTime = regexp.MustCompile(`<time datetime="[^"]*">[^<]* UTC</time>`)

// sample is the value of a metric in the text of a scrape; -1: it is not there.
func sample(text, series string) int64 {
	for line := range strings.Lines(text) {
		if value, is := strings.CutPrefix(line, series+" "); is {
			if v, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
				return int64(v)
			}
		}
	}
	return -1
}

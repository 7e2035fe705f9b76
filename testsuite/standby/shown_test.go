package standby

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/rig"
)

// get reads a page.
func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestOrders: who is active and who waits is shown everywhere; a drainer that was ordered to pause stays paused although a
// standby waits, until a process is started; nothing is handed over to nobody.
func TestOrders(t *testing.T) {
	t.Parallel()
	p := newPair(t, mariaDB(mariadbtest.Start(t)))
	first, second := p.both[0], p.both[1]
	status := func(want ...string) {
		t.Helper()
		rig.Eventually(t, time.Minute, fmt.Sprintf("status says %q", want), func() (bool, string) {
			out, ok := p.pumps.Binlogctl("-cmd", "status", "-node-id", nodeID)
			text := strings.Join(strings.Fields(out), " ")
			for _, w := range want {
				ok = ok && strings.Contains(text, w)
			}
			return ok, out
		})
	}
	status(first.Addr+" online", second.Addr+" standby - - the place of the active drainer")
	if a, b := first.Metric("binlog_drainer_standby"), second.Metric("binlog_drainer_standby"); a != "0" || b != "1" {
		t.Errorf("binlog_drainer_standby is %q of the active one, %q of the standby", a, b)
	}
	console := rig.StartConsole(t, p.pumps.Endpoints, "-http-addr", "127.0.0.1:0")
	db := console.Open(t)
	shown := func(want string) {
		t.Helper()
		rig.Eventually(t, time.Minute, "binlog.standbys has "+want, func() (bool, string) {
			got := rig.Ask(t, db, "SELECT GROUP_CONCAT(CONCAT(address, ' ', role, ' ', IFNULL(held, '-')) ORDER BY role) FROM binlog.standbys WHERE node_id = '"+nodeID+"'")
			return got == want, got
		})
	}
	shown(first.Addr + " active -," + second.Addr + " standby -")
	rig.Eventually(t, time.Minute, "the page says who waits", func() (bool, string) {
		page := get(t, console.Page(t))
		return strings.Contains(page, "is active at "+first.Addr) && strings.Contains(page, "its standby waits at "+second.Addr), page
	})
	if metrics := get(t, console.Page(t)+"metrics"); !strings.Contains(metrics, `pumphouse_drainer_standbys{kind="drainer",node="`+nodeID+`"} 1`) {
		t.Errorf("the console's metrics do not say that one waits:\n%s", metrics)
	}

	if code, body := second.Ask(http.MethodPut, "/state/"+nodeID+"/switch"); code != http.StatusConflict || !strings.Contains(body, "ask the active one") {
		t.Errorf("a standby is told to hand over: %d %s", code, body)
	}
	if out, ok := p.pumps.Binlogctl("-cmd", "pause-drainer", "-node-id", nodeID, "-wait", "60"); !ok {
		t.Fatal(out)
	}
	first.Ends(0)
	rig.Eventually(t, time.Minute, "the standby says that it does not take over", func() (bool, string) {
		return strings.Contains(second.Output(), "nobody takes its place before a process is started"), tail(second)
	})
	status(first.Addr+" paused", second.Addr+" standby - - a start: the drainer was ordered to be paused")
	shown(second.Addr + " standby Paused")
	second.HasState(nodes.Paused)

	first.Spawn() // the standby has waited for longer, so it takes over, and this one waits
	p.leads(second, time.Now())
	p.waits(first)
	status(second.Addr+" online", first.Addr+" standby")
	first.kill()
	rig.Eventually(t, time.Minute, "nobody waits", func() (bool, string) { return len(p.group().Waiting()) == 0, fmt.Sprint(p.group()) })
	if out, ok := p.pumps.Binlogctl("-cmd", "switch-drainer", "-node-id", nodeID); ok || !strings.Contains(out, "no standby waits for its place") {
		t.Errorf("without a standby: %s", out)
	}
}

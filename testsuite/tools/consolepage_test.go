package tools

import (
	"net/http"
	"testing"
	"time"
)

// The console's own page in a real browser: live, by keyboard, in the dark, without
// scripts, and when PD is gone.
func TestConsolePage(t *testing.T) {
	s := &session{rig: newRig(t, "seen"), node: "seen"}
	s.browse(t, "page.js", "up")
	s.pd.stop(t)
	unhealthy(t, s.page+"healthz")
	s.browse(t, "page.js", "down")
}

// unhealthy waits until a health check tells of trouble: a console may speak from memory for
// a moment.
func unhealthy(t *testing.T, url string) {
	t.Helper()
	client := http.Client{Timeout: time.Minute}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s still answers %s without PD", url, resp.Status)
		}
	}
}

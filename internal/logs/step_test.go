package logs

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
)

// TestStep: a step that takes long is named after a second and then every 10 s with how far it is, and once when it is over; a short one
// is not mentioned.
func TestStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, lines := test.NewNullLogger()
		Step(log, "short", nil)()
		var far HowFar
		end := Step(log, "open the log", far.Fields)
		time.Sleep(2 * time.Second)
		far.Tell(3, 17, "segments of the log")
		time.Sleep(10 * time.Second)
		far.Tell(100, 0, "jobs")
		time.Sleep(10 * time.Second)
		end()
		var said []string
		for _, e := range lines.AllEntries() {
			done, _ := e.Data["done"].(string)
			said = append(said, e.Message+" "+e.Data["for"].(string)+" "+done)
			if e.Data["step"] != "open the log" || e.Level != logrus.InfoLevel {
				t.Errorf("%s %+v", e.Level, e.Data)
			}
		}
		want := []string{"a step takes long 1s ", "a step takes long 11s 3 of 17 segments of the log", "a step takes long 21s 100 jobs", "the step is over 22s 100 jobs"}
		if !slices.Equal(said, want) {
			t.Errorf("said %q, want %q", said, want)
		}
	})
}

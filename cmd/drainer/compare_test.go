package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/compare"
)

// The upstream of -compare comes from the section [compare]; flags win, and no message has the password.
func TestCompareUpstream(t *testing.T) {
	t.Setenv("TIDB_PSWD", "from the environment")
	for _, c := range []struct {
		config string
		args   []string
		want   string // user@host:port and the password, or a part of the error
	}{
		{"[compare]\nhost = \"tidb0\"\nuser = \"u\"\npassword = \"secret!\"\n", nil, "u@tidb0:4000 secret!"},
		{"[compare]\nhost = \"tidb0\"\nport = 4001\n", nil, "root@tidb0:4001 from the environment"},
		{"[compare]\nhost = \"tidb0\"\nuser = \"u\"\n", []string{"-compare-upstream", "a@b@tidb1:4002"}, "a@b@tidb1:4002 from the environment"},
		{"[compare]\nhost = \"tidb0\"\nuser = \"u\"\n", []string{"-compare-upstream", "tidb1:4002"}, "u@tidb1:4002 from the environment"},
		{"", nil, "-compare-upstream user@host:port"},
		{"", []string{"-compare-upstream", "tidb1"}, "want user@host:port"},
		{"[compare]\nhost = \"tidb0\"\nencrypted_password = \"secret!\"\n", nil, "compare.encrypted_password"},
	} {
		cfg, _, err := parseConfig(append([]string{"-compare", "-config", write(t, c.config)}, c.args...), new(bytes.Buffer))
		if err != nil {
			t.Fatal(err)
		}
		s, err := cfg.Compare.server()
		got := s.String() + " " + s.Password
		if err != nil {
			got = err.Error()
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want) || strings.Contains(got, "secret!")) {
			t.Errorf("%q %q: %q, want %q", c.config, c.args, got, c.want)
		}
	}
}

// -compare is for databases: others are refused with the name of the key.
func TestCompareOfFiles(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run([]string{"-dest-db-type", "file", "-compare", "-data-dir", t.TempDir()}, &out, &errs); code != 1 || !strings.Contains(errs.String(), `db-type is "file"`) {
		t.Errorf("exit %d: %s", code, errs.String())
	}
}

// The bar is there until the end, also when the statistics of the upstream know less rows than there are; without a
// terminal the log has lines.
func TestProgress(t *testing.T) {
	var screen, lines bytes.Buffer
	p := &progress{bar: newBar(&screen)}
	for i := range int64(5) {
		_ = p.bar.RenderBlank() // whatever the last drawing was
		p.tell(compare.Progress{Table: "shop.orders", Tables: 3, TablesDone: 1, Rows: 1000 * i, RowsInAll: 1000 * i, Differences: i})
	}
	if p.bar.IsFinished() || !strings.Contains(screen.String(), "table 2 of 3, shop.orders") {
		t.Errorf("the bar has ended before the comparison has:\n%q", screen.String())
	}
	p.end()
	if !p.bar.IsFinished() {
		t.Error("the bar does not end")
	}
	log := logrus.New()
	log.SetOutput(&lines)
	p = newProgress(&lines, log)
	p.tell(compare.Progress{Table: "shop.orders"})
	if lines.Len() > 0 {
		t.Errorf("at once: %s", lines.String())
	}
	p.said = p.said.Add(-sayEvery)
	p.tell(compare.Progress{Table: "shop.orders", Tables: 3, Rows: 5, RowsInAll: 9})
	if !strings.Contains(lines.String(), "shop.orders") || !strings.Contains(lines.String(), "5 of about 9") {
		t.Errorf("later: %s", lines.String())
	}
}

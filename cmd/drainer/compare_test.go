package main

import (
	"bytes"
	"strings"
	"testing"
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

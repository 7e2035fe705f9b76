package setting_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"pumphouse/internal/setting"
)

// config has every kind of key that programs have.
type config struct {
	Addr string `toml:"addr"`
	logging
	Wait    setting.Duration `toml:"wait"`
	Size    int              `toml:"size"`
	Names   []string         `toml:"names" example:"[\"a\"]" doc:"some names"`
	Old     any              `toml:"older" old:"no effect: it meant nothing"`
	Section section          `toml:"section" doc:"A section."`
	Rules   []rule           `toml:"rule" doc:"A rule."`
}

type logging struct {
	Level string `toml:"log-level"`
	Log   struct {
		File struct {
			Size int `toml:"max-size" doc:"its size"`
		} `toml:"file" doc:"The file."`
	} `toml:"log"`
}

type section struct {
	Workers int               `toml:"worker-count"`
	Safe    bool              `toml:"safe"`
	Port    int               `toml:"port" default:"3306" sample:"4000" doc:"the port"`
	Params  map[string]string `toml:"params" example:"x = \"1\"" doc:"Variables."`
}

type rule struct {
	Name string `toml:"name" doc:"its name"`
	From struct {
		Table string `toml:"table" doc:"the table"`
	} `toml:"from" doc:"Where from."`
}

// read runs a program's start.
func read(t *testing.T, text string, args ...string) (c config, out string, notices []string, err error) {
	t.Helper()
	if text != "" {
		file := filepath.Join(t.TempDir(), "test.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append([]string{"-config", file}, args...)
	}
	c = config{Section: section{}}
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	fs.StringVar(&c.Addr, "addr", "127.0.0.1:1", "`host:port` to listen on")
	fs.StringVar(&c.Level, "log-level", "info", "log level")
	setting.Alias(fs, "L", "log-level")
	fs.DurationVar(&c.Wait.Duration, "wait", 8*time.Hour, "how long to wait")
	fs.IntVar(&c.Size, "size", 7, "`bytes` of it")
	fs.IntVar(&c.Section.Workers, "worker-count", 16, "connections")
	setting.Alias(fs, "c", "worker-count")
	fs.BoolVar(&c.Section.Safe, "safe", false, "be safe")
	var printed bytes.Buffer
	notices, err = setting.New(fs, &c, "TEST", &printed).Read(args)
	return c, printed.String(), notices, err
}

// The command line wins over the environment, that over the file, and the file over the defaults; a
// setting with two names is one setting in each of them.
func TestPrecedence(t *testing.T) {
	t.Setenv("TEST_ADDR", "env:1")
	t.Setenv("TEST_LOG_LEVEL", "env")
	t.Setenv("TEST_SIZE", "3")
	c, _, notices, err := read(t, "addr = 'file:1'\nlog-level = 'file'\nwait = '1m'\nc = 3\nsize = 1\n", "-addr=flag:1", "--L", "flag")
	if err != nil {
		t.Fatal(err)
	}
	if c.Addr != "flag:1" || c.Level != "flag" || c.Size != 3 || c.Wait.Duration != time.Minute || c.Section.Workers != 3 || c.Section.Safe {
		t.Errorf("%+v", c)
	}
	if all := strings.Join(notices, "\n"); !strings.Contains(all, "TEST_SIZE") || strings.Contains(all, "TEST_ADDR") {
		t.Errorf("notices: %q", notices)
	}
	if c, _, _, err := read(t, "", "-safe"); err != nil || !c.Section.Safe || c.Addr != "env:1" || c.Wait.Duration != 8*time.Hour || c.Section.Workers != 16 {
		t.Errorf("%+v, %v", c, err)
	}
	file := filepath.Join(t.TempDir(), "named.toml")
	if err := os.WriteFile(file, []byte("wait = '2s'"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_CONFIG", file)
	if c, _, _, err := read(t, ""); err != nil || c.Wait.Duration != 2*time.Second {
		t.Errorf("the file that the environment names: %+v, %v", c, err)
	}
}

// Every mistake is named with its place, what it must be, and the name that may be meant; all are named at once.
func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		text string
		args []string
		want []string
	}{
		{"adr = 'x'\nnope = 1\n[more]\nstill = 2\n", nil, []string{"test.toml: unknown key adr (line 1), did you mean addr?; nope (line 2); more (line 3): remove"}},
		{"worker-cuont = 1\n", nil, []string{"did you mean section.worker-count?"}},
		{"addr = \n", nil, []string{"test.toml: line 1: "}},
		{"[section]\n\nport = '3306'\nworker-count = 1.5\n[[section.params]]\n", nil, []string{
			"section.port must be a whole number, line 3 has a text", "section.worker-count must be a whole number, line 4 has a number with a fraction",
			"section.params must be a section, […], line 5 has a section in double brackets"}},
		{"addr = 1\nnames = 'a'\n", nil, []string{"addr must be a text in quotes, line 1 has a whole number", `names must be a list such as ["a", "b"], line 2 has a text`}},
		{"addr = {secret = 1}\n", nil, []string{"test.toml: addr must be a text in quotes, line 1 has a section"}},
		{"rule = 1\n", nil, []string{"rule must be a section in double brackets, [[…]], line 1 has a whole number"}},
		{"[[rule]]\nname = 2\n", nil, []string{"rule.name must be a text in quotes, line 2 has a whole number"}},
		{"wait = 'soon'\n", nil, []string{`line 1: wait: "soon": must be a time such as 30s, 5m or 8h`}},
		{"c = 1\n[section]\nworker-count = 2\n", nil, []string{"c (line 1) and section.worker-count (line 3) are the same setting: keep one"}},
		{"c = 'many'\n", nil, []string{"c must be a whole number, line 1 has a text"}},
		{"", []string{"-adr", "x", "-size", "big", "-wait=1", "-safe", "false", "stray", "-addr"}, []string{
			"unknown flag -adr, did you mean -addr?", `-size "big": must be a whole number`, `-wait "1": must be a time such as 30s, 5m or 8h`,
			`unexpected argument "false": write -safe=false`, `unexpected argument "stray": only flags are taken`, "-addr needs a value"}},
		{"", []string{"-nothing-like-any", "x"}, []string{"unknown flag -nothing-like-any: -h lists the flags"}},
		{"", []string{"-config", "/nowhere/x.toml"}, []string{"read the configuration: open /nowhere/x.toml: no such file"}},
		{"", []string{"-safe=perhaps"}, []string{`-safe "perhaps": must be true or false`}},
	} {
		_, _, _, err := read(t, c.text, c.args...)
		if err == nil {
			t.Errorf("%q %q: no error", c.text, c.args)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q %q:\n%v\nwant %q", c.text, c.args, err, want)
			}
		}
		if n := len(strings.Split(err.Error(), "\n")); n != len(c.want) {
			t.Errorf("%q %q: %d mistakes, want %d:\n%v", c.text, c.args, n, len(c.want), err)
		}
	}
	t.Setenv("TEST_SIZE", "big")
	if _, _, _, err := read(t, ""); err == nil || err.Error() != `environment variable TEST_SIZE "big": must be a whole number` {
		t.Errorf("environment: %v", err)
	}
}

// -help-config prints a file that is TOML as it is and with every key set, and that the program takes.
func TestSample(t *testing.T) {
	_, out, _, err := read(t, "", "-help-config")
	if !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# host:port to listen on (-addr)\n#addr = \"127.0.0.1:1\"\n", "# log level (-L, -log-level)\n#log-level = \"info\"\n", "#wait = \"8h\"\n",
		"# some names\n#names = [\"a\"]\n", "# A section.\n[section]\n", "#worker-count = 16\n", "\nport = 4000\n", "# The file.\n[log.file]\n\n# its size\n#max-size = 0\n", "[section.params]\n#x = \"1\"\n",
		"# A rule.\n#[[rule]]\n", "#[rule.from]\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the sample lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "[log]") || strings.Contains(out, "older") {
		t.Error("the sample has a key that means nothing")
	}
	if c, _, _, err := read(t, out); err != nil || c.Section.Port != 4000 || c.Section.Workers != 16 || len(c.Rules) > 0 {
		t.Errorf("as it is: %+v, %v", c, err)
	}
	all := uncomment(out)
	if c, _, _, err := read(t, all); err != nil || c.Wait.Duration != 8*time.Hour || len(c.Rules) != 1 || c.Section.Params["x"] != "1" {
		t.Errorf("with every key: %+v, %v\n%s", c, err, all)
	}
	var raw map[string]any
	if _, err := toml.Decode(all, &raw); err != nil || raw["older"] != nil {
		t.Error(err)
	}
}

// uncomment sets every key of a sample file.
func uncomment(sample string) string {
	var b strings.Builder
	for line := range strings.Lines(sample) {
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") {
			line = line[1:]
		}
		b.WriteString(line)
	}
	return b.String()
}

func TestHelp(t *testing.T) {
	_, out, _, err := read(t, "", "-size", "1", "--help")
	if !errors.Is(err, flag.ErrHelp) || !strings.Contains(out, "  -c value\n    \tthe same as -worker-count") && !strings.Contains(out, "-c int") {
		t.Errorf("%v\n%s", err, out)
	}
	_, out, _, err = read(t, "", "-help-config=json")
	if !errors.Is(err, flag.ErrHelp) || !strings.Contains(out, `"value": "bytes"`) || !strings.Contains(out, `"old": "no effect: it meant nothing"`) {
		t.Errorf("%v\n%s", err, out)
	}
}

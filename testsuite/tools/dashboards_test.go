package tools

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pumphouse/testsuite/form"
)

// dashboards are what people look at in a browser or a monitoring system.
var dashboards = []tool{
	{name: "mysqld_exporter", limits: "collectors of InnoDB, TokuDB, pt-heartbeat: nothing to collect, perf_schema.eventsstatementssum cannot read the sum of no statements; its log says so", run: exporter},
	{name: "Adminer", limits: "reads only: its forms for changing rows and tables are refused (1235)", run: adminer},
	{name: "phpMyAdmin", limits: "reads only; without its configuration storage", run: phpMyAdmin},
}

// missing are collectors that ask for what no server without that engine or tool has.
var missing = regexp.MustCompile(`scraper=(engine_innodb_status|engine_tokudb_status|heartbeat|perf_schema.eventsstatementssum) `)

func exporter(t *testing.T, s *session) {
	const program = "prometheus-mysqld-exporter"
	help, more, err := try(t, nil, "", program, "--help") // on one of the two, by version
	if help += more; err != nil && help == "" {
		t.Fatal(err)
	}
	shown, stderr, _ := try(t, nil, "", program, "--version")
	s.version = number(shown + stderr)
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^ +--(?:\[no-\])?(collect\.[a-z_.]+) ( .*)?$`).FindAllStringSubmatch(help, -1) {
		if !regexp.MustCompile(`heartbeat\.|processlist\.|privileges|limit|utc|filter`).MatchString(m[1]) {
			all = append(all, "--"+m[1])
		}
	}
	if len(all) < 30 {
		t.Fatalf("only %d collectors in its help: %q\n%s", len(all), all, help)
	}
	for _, collectors := range [][]string{nil, all} {
		addr := form.Addr(t)
		cmd := exec.Command(program, append(collectors, "--web.listen-address="+addr)...)
		cmd.Env = append(os.Environ(), fmt.Sprintf("DATA_SOURCE_NAME=root@(%s:%s)/", s.host, s.port), "HOME="+t.TempDir())
		p := start(t, "Listening on", cmd)
		var text string
		for range 3 {
			text = fetch(t, "http://"+addr+"/metrics")
		}
		p.stop(t)
		contains(t, text, "mysql_up 1\n", "mysql_global_status_uptime ", "mysql_global_variables_")
		unique(t, text)
		for line := range strings.Lines(p.output()) {
			if strings.Contains(line, "level=error") && !missing.MatchString(line) {
				t.Errorf("exporter with %q: %s", collectors, line)
			}
		}
	}
	s.did = append(s.did, "three scrapes with its default collectors, three with all of them: 200, `mysql_up 1`, every metric once, no error in its log")
}

// fetch gives a page, which must be answered with 200.
func fetch(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v\n%s", url, resp.Status, err, body)
	}
	return string(body)
}

// unique fails the test if a series is twice in a scrape.
func unique(t *testing.T, text string) {
	t.Helper()
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		series := line[:strings.LastIndexByte(strings.TrimSpace(line), ' ')]
		if seen[series] {
			t.Errorf("%s is there twice", series)
		}
		seen[series] = true
	}
}

// ofOldPHP are complaints about the style of programs that are older than PHP 8.
var ofOldPHP = regexp.MustCompile(`PHP Deprecated|Undefined variable .* in /usr/share/adminer/`)

// php serves files of a directory until the test ends and gives its URL. home is where
// what it writes goes; settings are PHP's own, name=value.
func php(t *testing.T, dir, home string, settings ...string) string {
	t.Helper()
	args := []string{"-d", "session.save_path=" + home, "-d", "error_log=" + filepath.Join(home, "php.log"), "-d", "display_errors=0", "-d", "log_errors=1"}
	for _, set := range settings {
		args = append(args, "-d", set)
	}
	addr := form.Addr(t)
	cmd := exec.Command("php", append(args, "-S", addr, "-t", dir)...)
	cmd.Env = append(os.Environ(), "HOME="+home)
	start(t, "Development Server", cmd)
	t.Cleanup(func() {
		if text, err := os.ReadFile(filepath.Join(home, "php.log")); err == nil {
			for line := range strings.Lines(string(text)) {
				if strings.Contains(line, "PHP ") && !ofOldPHP.MatchString(line) {
					t.Errorf("PHP says: %s", line)
				}
			}
		}
	})
	return "http://" + addr
}

func adminer(t *testing.T, s *session) {
	home := t.TempDir()
	// Adminer refuses a login without a password, unless it is told otherwise like this.
	index := `<?php
function adminer_object() {
	class Open extends Adminer { function login($login, $password) { return true; } }
	return new Open;
}
require '/usr/share/adminer/adminer.php';
`
	dir := filepath.Join(home, "www")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.php"), []byte(index), 0o644); err != nil {
		t.Fatal(err)
	}
	url := php(t, dir, home)
	s.version = packageVersion(t, "adminer")
	s.browse(t, "adminer.js", url)
}

func phpMyAdmin(t *testing.T, s *session) {
	home := t.TempDir()
	config := fmt.Sprintf(`<?php
$cfg['blowfish_secret'] = '0123456789abcdef0123456789abcdef';
$cfg['TempDir'] = '%[3]s';
$cfg['Servers'][1] = ['host' => '%[1]s', 'port' => '%[2]s', 'auth_type' => 'cookie', 'AllowNoPassword' => true, 'compress' => false];
$cfg['VersionCheck'] = false;
$cfg['SendErrorReports'] = 'never';
`, s.host, s.port, home)
	file := filepath.Join(home, "config.inc.php")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	url := php(t, phpMyAdminRoom(t, home, file), home)
	s.version = packageVersion(t, "phpmyadmin")
	s.browse(t, "phpmyadmin.js", url)
}

// phpMyAdminRoom makes a directory from which Debian's phpMyAdmin runs with a configuration
// of its own: its files by symbolic links, but for the one that says where the rest is.
func phpMyAdminRoom(t *testing.T, home, config string) string {
	t.Helper()
	const source = "/usr/share/phpmyadmin"
	room := filepath.Join(home, "www")
	link := func(from, to, but string) {
		t.Helper()
		entries, err := os.ReadDir(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(to, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() == but {
				continue
			}
			if err := os.Symlink(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	link(source, room, "libraries")
	link(filepath.Join(source, "libraries"), filepath.Join(room, "libraries"), "vendor_config.php")
	for file, edits := range map[string][]string{
		"index.php":                   nil, // a copy, because it takes its own place for that of all others
		"libraries/vendor_config.php": {"/etc/phpmyadmin/config.inc.php", config, "/var/lib/phpmyadmin/tmp/", home + "/"},
	} {
		text, err := os.ReadFile(filepath.Join(source, file))
		if err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(room, file)
		if err := os.Remove(target); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, []byte(strings.NewReplacer(edits...).Replace(string(text))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return room
}

// packageVersion is Debian's.
func packageVersion(t *testing.T, name string) string {
	t.Helper()
	return number(command(t, "", "dpkg-query", "-W", "-f", "${Version}", name))
}

// browse runs a script of browser/ in a real Chromium.
func (s *session) browse(t *testing.T, script string, args ...string) {
	t.Helper()
	version := s.version
	form.Clients(t, root, "node") // its playwright-core
	s.script(t, "node", append([]string{filepath.Join("browser", script), shots(t)}, args...)...)
	s.version = version
}

// shots is where screenshots go: PUMPHOUSE_SHOTS for those who want to look at them.
func shots(t *testing.T) string {
	if dir := os.Getenv("PUMPHOUSE_SHOTS"); dir != "" {
		return dir
	}
	return t.TempDir()
}

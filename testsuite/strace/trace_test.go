package strace

import (
	"encoding/hex"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// hexed writes the texts of a trace as strace -xx does.
func hexed(trace string) string {
	escape := func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			fmt.Fprintf(&b, `\x%s`, hex.EncodeToString([]byte{c}))
		}
		return b.String()
	}
	trace = regexp.MustCompile(`"[^"]*"`).ReplaceAllStringFunc(trace, func(s string) string { return `"` + escape(s[1:len(s)-1]) + `"` })
	return regexp.MustCompile(`</[^>]*>`).ReplaceAllStringFunc(trace, func(s string) string { return "<" + escape(s[1:len(s)-1]) + ">" })
}

const written = `10 openat(AT_FDCWD</>, "/d/a.tmp", O_RDWR|O_CREAT|O_CLOEXEC, 0640) = 3</d/a.tmp>
10 openat(AT_FDCWD</>, "/d/none", O_RDONLY) = -1 ENOENT (No such file or directory)
10 pwrite64(3</d/a.tmp>, "hello", 5, 7) = 5
11 write(4<TCP:[127.0.0.1:80->127.0.0.1:9]>, "one", 3 <unfinished ...>
10 fdatasync(3</d/a.tmp> <unfinished ...>
12 pwrite64(3</d/a.tmp>, "late", 4, 100) = 4
11 <... write resumed>) = 3
10 <... fdatasync resumed>) = 0
11 write(4<TCP:[127.0.0.1:80->127.0.0.1:9]>, "two", 3) = 3
10 renameat(AT_FDCWD</>, "/d/a.tmp", AT_FDCWD</>, "/d/a") = 0
11 write(4<TCP:[127.0.0.1:80->127.0.0.1:9]>, "three", 5) = 5
10 fsync(5</d>) = 0
10 fsync(3</d/a>) = 0
11 write(4<TCP:[127.0.0.1:80->127.0.0.1:9]>, "four", 4) = 4
11 ???( <unfinished ...>
12 openat( <unavailable>
13 renameat( <unfinished ...>
13 <... renameat resumed>) = ?
11 <... ??? resumed>) = ?
10 +++ exited with 0 +++
`

// What is written before a sync begins is safe when it has ended, what is written meanwhile is not, and a name
// is when its directory was synced.
func TestWalk(t *testing.T) {
	list, err := parse([]byte(hexed(written)))
	if err != nil {
		t.Fatal(err)
	}
	tr := &Trace{root: "/d", had: map[string]int64{"/d": 0}}
	var got []string
	tr.walk(list, func(c *Call, d *Disk) {
		if c != nil && c.LocalPort == 80 && c.RemotePort == 9 {
			got = append(got, fmt.Sprintf("%s: %s", c.Data, strings.Join(d.Lost("a*"), "; ")))
		}
	})
	want := []string{
		"one: bytes 7 to 12 of a.tmp (written in line 3 of the trace); a.tmp: the name a.tmp (line 1 of the trace) is not synced",
		"two: bytes 100 to 104 of a.tmp (written in line 6 of the trace); a.tmp: the name a.tmp (line 1 of the trace) is not synced",
		"three: bytes 100 to 104 of a (written in line 6 of the trace); a: the name a (line 10 of the trace) is not synced",
		"four: ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := parse([]byte("10 nonsense\n")); err == nil {
		t.Error("nonsense is a trace")
	}
}

// A real program under the real strace: cp syncs nothing, sync does.
func TestRealPrograms(t *testing.T) {
	root := t.TempDir()
	copied := filepath.Join(root, "copy")
	cmd, trace := Command(t, root, "/bin/sh", "-c", `dd if=/dev/zero of="$0" bs=1000 count=3 2>/dev/null`, copied)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var lost []string
	trace.Walk(t, cmd.Process.Pid, func(_ *Call, d *Disk) { lost = d.Lost("copy") })
	if len(lost) != 4 {
		t.Errorf("3 writes and a name are not synced; the trace says %q", lost)
	}
	if _, err := exec.LookPath("sync"); err != nil {
		t.Fatal(err)
	}
	cmd, trace = Command(t, root, "/bin/sh", "-c", `dd if=/dev/zero of="$0" bs=1000 count=3 conv=fsync 2>/dev/null; sync "$1"; sync "$1/.."; exit 0`, copied+"2", root)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	trace.Walk(t, cmd.Process.Pid, func(_ *Call, d *Disk) { lost = d.Lost("copy2") })
	if len(lost) != 0 {
		t.Errorf("everything is synced; the trace says %q", lost)
	}
}

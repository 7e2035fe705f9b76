package strace

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// calls are the system calls that are traced.
const calls = "openat,mkdirat,write,pwrite64,writev,sendto,sendmsg,fsync,fdatasync,rename,renameat,renameat2,unlinkat,ftruncate"

// shown is how many bytes of each write are in the trace.
const shown = 64 << 10

// Trace is what a program did.
type Trace struct {
	file string
	root string
	had  map[string]int64 // files and directories before the start, with their sizes
}

// Call is a system call that succeeded, or that the end of the program cut short.
type Call struct {
	Name  string
	Path  string // of the file or directory; "" for sockets
	To    string // new name of a rename
	Flags string // of openat
	// Data are the first bytes written, Size all of them. Offset is where; -1: the end of the file, or
	// a socket.
	Data         []byte
	Size, Offset int64
	// LocalPort and RemotePort are those of a TCP connection, 0 otherwise.
	LocalPort, RemotePort int

	entry, exit int // lines of the trace; exit 0: it did not return
}

// Command makes a command that runs a program under strace; what it does with files in root, which is an
// absolute path, is followed. The command's process is the program itself.
func Command(t testing.TB, root, program string, args ...string) (*exec.Cmd, *Trace) {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		t.Fatalf("%v: testsuite/deps.sh installs it", err)
	}
	tr := &Trace{file: filepath.Join(t.TempDir(), "trace"), root: root, had: map[string]int64{}}
	err = filepath.Walk(root, func(name string, info os.FileInfo, err error) error {
		if err == nil {
			tr.had[name] = info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command(path, append([]string{"-D", "-f", "--seccomp-bpf", "-yy", "-xx", "-s", strconv.Itoa(shown),
		"-e", "trace=" + calls, "-o", tr.file, program}, args...)...), tr
}

// read waits until the trace of the process, which has ended, is complete, and reads it.
func (tr *Trace) read(t testing.TB, pid int) []*Call {
	t.Helper()
	end := regexp.MustCompile(fmt.Sprintf(`(?m)^%d +\+\+\+ (exited|killed)`, pid))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		b, err := os.ReadFile(tr.file)
		if err != nil {
			t.Fatal(err)
		}
		if end.Match(b) {
			list, err := parse(b)
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		if time.Now().After(deadline) {
			t.Fatalf("strace has not written the end of process %d into %s; the end of the file:\n%s", pid, tr.file, b[max(0, len(b)-2000):])
		}
	}
}

var (
	linePattern    = regexp.MustCompile(`^(\d+) +(.*)$`)
	resumedPattern = regexp.MustCompile(`^<\.\.\. ([\w?]+) resumed>(.*)$`)
	callPattern    = regexp.MustCompile(`^([\w?]+)\((.*)$`)
	returnPattern  = regexp.MustCompile(`\) += (-?\d+|\?)`)
	textPattern    = regexp.MustCompile(`"((?:\\x[0-9a-f]{2})*)"`)
	filePattern    = regexp.MustCompile(`^(?:\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})+)`)
	socketPattern  = regexp.MustCompile(`^\d+<TCP(?:v6)?:\[.*?:(\d+)->.*?:(\d+)\]>`)
)

// parse reads a trace; calls that failed are left out. Each call appears at its entry.
func parse(b []byte) ([]*Call, error) {
	type open struct {
		*Call
		text string
	}
	var list []*Call
	begun := map[string]*open{} // by thread
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 64<<20)
	number := 0
	for lines.Scan() {
		number++
		m := linePattern.FindStringSubmatch(lines.Text())
		if m == nil {
			return nil, fmt.Errorf("line %d of the trace: %q", number, lines.Text())
		}
		thread, text := m[1], m[2]
		if strings.HasPrefix(text, "+++") || strings.HasPrefix(text, "---") {
			continue
		}
		c := &open{&Call{entry: number}, text}
		if m := resumedPattern.FindStringSubmatch(text); m != nil {
			if c = begun[thread]; c == nil {
				return nil, fmt.Errorf("line %d of the trace resumes nothing", number)
			}
			c.text += m[2]
		} else {
			list = append(list, c.Call)
		}
		if before, unfinished := strings.CutSuffix(c.text, "<unfinished ...>"); unfinished {
			c.text, begun[thread] = before, c
			if err := c.Call.read(c.text); err != nil {
				return nil, fmt.Errorf("line %d of the trace: %w", number, err)
			}
			continue
		}
		delete(begun, thread)
		if err := c.Call.read(c.text); err != nil {
			return nil, fmt.Errorf("line %d of the trace: %w", number, err)
		}
		// A return value that is not in the last match would be one in the data, which are all hexadecimal.
		if all := returnPattern.FindAllStringSubmatch(c.text, -1); len(all) > 0 && all[len(all)-1][1] != "?" {
			c.exit = number
			result, _ := strconv.ParseInt(all[len(all)-1][1], 10, 64)
			if result < 0 {
				c.Name = ""
			} else if c.Data != nil {
				c.Size = result
			}
		}
	}
	done := list[:0]
	for _, c := range list {
		if c.Name != "" {
			done = append(done, c)
		}
	}
	return done, lines.Err()
}

// read takes the arguments from a call's text. A call that strace could not read, for its thread was
// killed on the way into the kernel and did not carry it out, is left without a name.
func (c *Call) read(text string) error {
	m := callPattern.FindStringSubmatch(text)
	if m == nil {
		return fmt.Errorf("%q is no call", text)
	}
	args := m[2]
	if left := strings.TrimSpace(args); m[1][0] == '?' || left == "" || left[0] == ')' || left == "<unavailable>" {
		return nil
	}
	c.Name = m[1]
	if m := filePattern.FindStringSubmatch(args); m != nil {
		c.Path = unhex(m[1])
	}
	if m := socketPattern.FindStringSubmatch(args); m != nil {
		c.LocalPort, _ = strconv.Atoi(m[1])
		c.RemotePort, _ = strconv.Atoi(m[2])
	}
	var texts []string
	for _, m := range textPattern.FindAllStringSubmatch(args, -1) {
		texts = append(texts, unhex(m[1]))
	}
	switch c.Name {
	case "write", "pwrite64", "writev", "sendto", "sendmsg":
		c.Data = []byte(strings.Join(texts, ""))
		c.Size, c.Offset = int64(len(c.Data)), -1
		if fields := strings.Split(strings.TrimSpace(args), ", "); c.Name == "pwrite64" && len(fields) >= 4 {
			at, _, _ := strings.Cut(fields[3], ")")
			offset, err := strconv.ParseInt(strings.TrimSpace(at), 10, 64)
			if err != nil {
				return err
			}
			c.Offset = offset
		}
	case "openat", "mkdirat", "unlinkat":
		if len(texts) != 1 {
			return fmt.Errorf("%s names %d files", c.Name, len(texts))
		}
		c.Path = absolute(c.Path, texts[0])
		c.Flags = args
	case "rename", "renameat", "renameat2":
		if len(texts) != 2 {
			return fmt.Errorf("%s names %d files", c.Name, len(texts))
		}
		c.Path, c.To = absolute(c.Path, texts[0]), absolute(c.Path, texts[1])
	}
	return nil
}

// absolute is the path of a name in a directory.
func absolute(dir, name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(dir, name)
}

func unhex(s string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(s, `\x`, ""))
	if err != nil {
		return s
	}
	return string(b)
}

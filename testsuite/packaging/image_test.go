package packaging

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"pumphouse/testsuite/form"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/rig"
)

// image is the root file system that packaging/Containerfile describes, made by its steps, and how a container of it starts.
type image struct {
	t    *testing.T
	root string
	env  []string
	dir  string // the working directory
	cmd  string
}

// buildImage carries out the steps of the Containerfile. There is no registry here, so busybox is Debian's. It needs root.
func buildImage(t *testing.T) *image {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil || os.Getuid() != 0 {
		form.Missing(t, "busybox (Debian's busybox-static), as root: the image's root file system is built of it")
	}
	im := &image{t: t, root: t.TempDir(), dir: "/"}
	out := t.TempDir()
	for _, dir := range []string{"bin", "dev", "etc", "proc"} {
		im.do("mkdir", "-p", filepath.Join(im.root, dir))
	}
	im.do("chmod", "755", im.root)
	im.do("cp", busybox, filepath.Join(im.root, "bin", "busybox"))
	im.do("chroot", im.root, "/bin/busybox", "--install", "-s", "/bin")
	im.do("mknod", "-m", "666", filepath.Join(im.root, "dev", "null"), "c", "1", "3")
	text, err := os.ReadFile(filepath.Join(programs.Root, "packaging", "Containerfile"))
	if err != nil {
		t.Fatal(err)
	}
	stage := ""
	for line := range strings.Lines(string(text)) {
		step, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		args := strings.Fields(rest)
		switch {
		case step == "" || step == "#":
		case step == "FROM":
			stage = args[0]
		case strings.HasPrefix(stage, "golang:"):
			if step == "RUN" && strings.Contains(rest, "go build") {
				cmd := exec.Command("sh", "-c", strings.Replace(rest, "/out/", out+"/", 1))
				cmd.Dir = programs.Root
				if text, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%s", rest, err, text)
				}
			}
		case !strings.HasPrefix(stage, "busybox:"):
			t.Fatalf("the test has no base image %s", stage)
		case step == "COPY" && args[0] == "--from=build" && args[1] == "/out/":
			im.do("cp", "-r", out+"/.", filepath.Join(im.root, args[2]))
		case step == "COPY":
			from, to := filepath.Join(programs.Root, args[0]), filepath.Join(im.root, args[len(args)-1])
			if args[0] == "--from=build" {
				from = args[1]
			}
			if strings.HasSuffix(rest, "/") {
				im.do("mkdir", "-p", to)
			}
			im.do("cp", from, to)
		case step == "RUN":
			im.do("chroot", im.root, "/bin/sh", "-c", rest)
		case step == "ENV":
			im.env = append(im.env, args...)
		case step == "WORKDIR":
			im.dir = args[0]
			im.do("mkdir", "-p", filepath.Join(im.root, im.dir))
		case step == "CMD":
			im.cmd = rest
		case step == "EXPOSE", step == "STOPSIGNAL" && rest == "SIGTERM":
		default:
			t.Fatalf("the test does not know the step %s", line)
		}
	}
	if out, err := exec.Command("unshare", "--mount", "mount", "-t", "proc", "proc", filepath.Join(im.root, "proc")).CombinedOutput(); err != nil {
		form.Missing(t, "mount of /proc in the image's root: %v: %s", err, out)
	}
	return im
}

func (im *image) do(name string, args ...string) {
	im.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		im.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// write puts a file into the image, as a volume would.
func (im *image) write(path, text string) {
	im.t.Helper()
	path = filepath.Join(im.root, path)
	im.do("mkdir", "-p", filepath.Dir(path))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		im.t.Fatal(err)
	}
}

// command runs a program in a container: in the pod's network, with the image as its root, a host name, and a user.
// Mounts are the container's own, and end with it.
func (im *image) command(p *rig.Pod, host, user string, argv ...string) *exec.Cmd {
	script := `hostname "$1"; user=$2; root=$3; dir=$4; shift 4; mount -t proc proc "$root/proc"; exec chroot --userspec="$user" "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$dir" "$@"`
	args := []string{"netns", "exec", p.Name, "unshare", "--uts", "--mount", "env", "-i", "HOSTNAME=" + host}
	args = append(args, im.env...)
	args = append(args, "/bin/sh", "-ec", script, "sh", host, user, im.root, im.dir)
	cmd := exec.Command("ip", append(args, argv...)...)
	return cmd
}

// resolves answers every name with the pod's address, but for the PD's.
func resolves(p *rig.Pod) {
	p.T.Helper()
	opened := make(chan any, 1)
	go func() {
		runtime.LockOSThread() // the thread goes with the goroutine
		ns, err := os.Open(filepath.Join("/run/netns", p.Name))
		if err == nil {
			defer ns.Close()
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			var c net.PacketConn
			if c, err = net.ListenPacket("udp", "127.0.0.1:53"); err == nil {
				opened <- c
				return
			}
		}
		opened <- err
	}()
	c, ok := (<-opened).(net.PacketConn)
	if !ok {
		p.T.Fatal("no name server in the pod")
	}
	p.T.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 1<<12)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				at := [4]byte{10, 1, 1, 1}
				if strings.HasPrefix(q.Name.String(), "basic-pd.") {
					at = [4]byte{127, 0, 0, 1}
				}
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}, Body: &dnsmessage.AResource{A: at}}}
			}
			if b, err := m.Pack(); err == nil {
				_, _ = c.WriteTo(b, from)
			}
		}
	}()
}

// Start scripts in the shape of those that tidb-operator (the first) and its charts write.
const (
	operatorPumpScript = `set -uo pipefail
if [[ ! -f /etc/podinfo/annotations ]]; then echo "no annotations"; exit 1; fi
source /etc/podinfo/annotations 2>/dev/null
if [[ X${runmode:-normal} == Xdebug ]]; then tail -f /dev/null; fi
POD=$HOSTNAME
ARGS="-pd-urls=http://basic-pd:2379 \
-L info \
-log-file= \
-advertise-addr=${POD}.basic-pump:8250 \
-data-dir=/data/pump0 \
--config=/etc/pump/pump.toml"
echo "/pump ${ARGS}"
exec /pump ${ARGS}
`
	chartPumpScript = `set -euo pipefail
/pump \
-pd-urls=http://basic-pd:2379 \
-L=info \
-advertise-addr=` + "`echo ${HOSTNAME}`" + `.basic-pump:8250 \
-config=/etc/pump/pump.toml \
-data-dir=/data/pump0 \
-log-file=

if [ $? == 0 ]; then
    echo $(date -u) "the pump is offline"
    tail -f /dev/null
fi
`
	chartDrainerScript = `set -euo pipefail
domain=` + "`echo ${HOSTNAME}`" + `.basic-drainer
tries=0
until nslookup ${domain} 2>/dev/null; do
    tries=$(( tries+1 ))
    if [[ ${tries} -ge 30 ]]; then echo "no such name" >&2; exit 1; fi
    sleep 1
done
/drainer \
-L=info \
-pd-urls=http://basic-pd:2379 \
-addr=` + "`echo ${HOSTNAME}`" + `.basic-drainer:8249 \
-config=/etc/drainer/drainer.toml \
-disable-detect=false \
-initial-commit-ts=0 \
-data-dir=/data/drainer0 \
-log-file=""
`
)

// TestImage: containers of the packaged image, started as tidb-operator, its charts and packaging/kubernetes start them, as root and as another
// user, reach each other by name, and leave as they are asked to.
func TestImage(t *testing.T) {
	p := rig.NewPod(t)
	im := buildImage(t)
	resolves(p)
	im.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
	im.write("/etc/podinfo/annotations", "runmode=\"normal\"\n")
	im.write("/etc/pump/pump.toml", "[storage]\nstop-write-at-available-space = \"1 MiB\"\n")
	im.write("/etc/drainer/drainer.toml", "schema-dir = \"/data/jobs\"\n[syncer]\ndb-type = \"file\"\n")
	im.do("mkdir", "-p", filepath.Join(im.root, "data", "jobs"))
	if im.cmd != `["pumphouse", "-h"]` {
		t.Errorf("CMD is %s", im.cmd)
	}
	help, err := im.command(p, "x", "65532:65532", "pumphouse", "-h").CombinedOutput()
	if err != nil || !strings.Contains(string(help), "serve") {
		t.Errorf("pumphouse -h: %v\n%s", err, help)
	}
	container := func(host, user string, argv ...string) *rig.Proc {
		t.Helper()
		return rig.AwaitReady(t, rig.SpawnCommand(t, im.command(p, host, user, argv...)))
	}
	run := func(argv ...string) string {
		t.Helper()
		out, err := im.command(p, "tool", "65532:65532", argv...).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", strings.Join(argv, " "), err, out)
		}
		return string(out)
	}
	p.Run(nil, "pumphouse", "pd", "-data-dir", filepath.Join(p.Dir, "pd"))

	pump := container("basic-pump-0", "0:0", "/bin/sh", "-c", operatorPumpScript)
	if !strings.HasPrefix(pump.Ready, "ready: pump basic-pump-0:8250 at ") {
		t.Errorf("%s", pump.Ready)
	}
	p.Reached("the pump", "10.1.1.1:8250")
	drainer := container("basic-drainer-0", "0:0", "/bin/sh", "-c", chartDrainerScript)
	p.Reached("the drainer, which listens at its name", "10.1.1.1:8249")
	for what, want := range map[string]string{"pumps": "basic-pump-0.basic-pump:8250", "drainers": "basic-drainer-0.basic-drainer:8249"} {
		if out := run("/binlogctl", "-pd-urls=http://basic-pd:2379", "-cmd", what); !strings.Contains(out, want) || !strings.Contains(out, "online") {
			t.Errorf("%s:\n%s", what, out)
		}
	}
	pump.Stop(t)
	pump = container("basic-pump-0", "0:0", "/bin/sh", "-c", chartPumpScript) // on the same volume
	run("/binlogctl", "-pd-urls=http://basic-pd:2379", "-cmd", "offline-pump", "-node-id", "basic-pump-0:8250")
	rig.Eventually(t, rig.Timeout, "the chart's script sees that the pump is offline", func() (bool, string) {
		return strings.Contains(pump.Output(), "the pump is offline"), pump.Output()
	})
	run("/binlogctl", "-pd-urls=http://basic-pd:2379", "-cmd", "offline-drainer", "-node-id", "basic-drainer-0:8249")
	<-drainer.Done
	endAll(t, pump)

	// As packaging/kubernetes starts them, by a user who owns nothing but the volume.
	im.do("mkdir", "-p", filepath.Join(im.root, "data", "own"))
	im.do("chown", "65532:65532", filepath.Join(im.root, "data", "own"))
	kept := []string{"/keep-offline", "/pump", "-pd-urls=http://basic-pd:2379", "-addr=0.0.0.0:8250", "-advertise-addr=pump-0.pump:8250", "-node-id=pump-0", "-data-dir=/data/own", "-config=/etc/pump/pump.toml"}
	pump = container("pump-0", "65532:65532", kept...)
	pump.Stop(t)
	if code := pump.Cmd.ProcessState.ExitCode(); code != 0 || !strings.Contains(run("/binlogctl", "-pd-urls=http://basic-pd:2379", "-cmd", "pumps"), "paused") {
		t.Errorf("stopped it ends with %d:\n%s", code, pump.Output())
	}
	pump = container("pump-0", "65532:65532", kept...)
	run("/binlogctl", "-pd-urls=http://basic-pd:2379", "-cmd", "offline-pump", "-node-id", "pump-0")
	rig.Eventually(t, rig.Timeout, "the container waits to be removed", func() (bool, string) {
		return strings.Contains(pump.Output(), "/pump has ended as it was asked to"), pump.Output()
	})
	select {
	case <-pump.Done:
		t.Errorf("the container has ended, and will be started again:\n%s", pump.Output())
	default:
	}
	pump.Stop(t)
	if code := pump.Cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ends with %d", code)
	}
	bad := im.command(p, "pump-0", "65532:65532", append(slices.Clone(kept), "-no-such-flag")...)
	if out, err := bad.CombinedOutput(); bad.ProcessState.ExitCode() != 2 {
		t.Errorf("a flag that does not exist: %v\n%s", err, out)
	}
}

// endAll ends a container whose first process, a shell, does not pass on signals, with the process that it waits for.
func endAll(t *testing.T, p *rig.Proc) {
	t.Helper()
	children, err := exec.Command("pgrep", "-P", strconv.Itoa(p.Cmd.Process.Pid)).Output()
	if err != nil {
		t.Errorf("the children of %s: %v", p.Cmd, err)
	}
	for _, pid := range append([]string{strconv.Itoa(p.Cmd.Process.Pid)}, strings.Fields(string(children))...) {
		if out, err := exec.Command("kill", "-9", pid).CombinedOutput(); err != nil {
			t.Errorf("kill %s: %v: %s", pid, err, out)
		}
	}
	<-p.Done
}

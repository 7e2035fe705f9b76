package daemon

import (
	"bufio"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ReleaseStartup gives back the memory that only the start of a program needed: freed heap,
// and the pages of the program file that package initialisers went through once. What is
// still in use comes back from the page cache when it is touched, so resident memory then
// shows what the program works with. It is called once, when the program is up; where the
// system does not have it, nothing happens.
func ReleaseStartup() {
	debug.FreeOSMemory()
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	program, err := os.Executable()
	if err != nil {
		return
	}
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		// address perms offset dev inode pathname
		f := strings.Fields(lines.Text())
		if len(f) < 6 || f[5] != program || strings.Contains(f[1], "w") {
			continue // written pages exist nowhere else
		}
		from, to, ok := strings.Cut(f[0], "-")
		start, err1 := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		if ok && err1 == nil && err2 == nil {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, uintptr(start), uintptr(end-start), unix.MADV_DONTNEED)
		}
	}
}

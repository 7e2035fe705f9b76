package form

import (
	"os/exec"
	"runtime"
	"sync"
)

// starter is a thread that lives as long as the process.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for do := range work {
			do()
		}
	}()
	return work
})

// Start starts a command, which the kernel ends when the process of the test ends, however that happens (on Linux). To the
// kernel the parent of a process is a thread, and threads of tests end when a goroutine leaves one in another network
// namespace: so one that never ends starts them all. Wait for the command as after its own Start.
func Start(cmd *exec.Cmd) error {
	dieWithParent(cmd)
	started := make(chan error)
	starter() <- func() { started <- cmd.Start() }
	return <-started
}

package pdtest

import "syscall"

// dieWithParent has the kernel end the process when the test ends, however that happens.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

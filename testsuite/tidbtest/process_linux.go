package tidbtest

import "syscall"

// dieWithTest has the kernel end the process when the test process ends, however that happens.
func dieWithTest() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

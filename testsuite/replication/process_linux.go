package replication

import "syscall"

// dieWithTest has the kernel end the server when the test process ends, however that
// happens.
func dieWithTest() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

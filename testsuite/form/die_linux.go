package form

import "syscall"

// DieWithTest has the kernel end a process when the process of the test ends, however that happens.
func DieWithTest() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

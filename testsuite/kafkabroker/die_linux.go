package kafkabroker

import "syscall"

// dieWithTest has the kernel end a node when the test process ends, however that happens.
func dieWithTest() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

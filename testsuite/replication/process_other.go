//go:build !linux

package replication

import "syscall"

// dieWithTest does nothing here: a test that is killed leaves its server behind.
func dieWithTest() *syscall.SysProcAttr { return nil }

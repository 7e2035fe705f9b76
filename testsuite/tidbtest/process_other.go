//go:build !linux

package tidbtest

import "syscall"

// dieWithTest does nothing here: a test that is killed leaves its processes behind.
func dieWithTest() *syscall.SysProcAttr { return nil }

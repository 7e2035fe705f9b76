//go:build !linux

package form

import "syscall"

// DieWithTest does nothing here: the processes of a test that is killed go on.
func DieWithTest() *syscall.SysProcAttr { return nil }

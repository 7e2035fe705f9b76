//go:build !linux

package pdtest

import "syscall"

// dieWithParent: only Linux can be asked for it; elsewhere a crashed test leaves its
// processes behind.
func dieWithParent() *syscall.SysProcAttr { return nil }

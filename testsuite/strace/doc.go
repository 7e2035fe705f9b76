// Package strace runs a program under strace(1) and says what of its files a failure of the
// machine could have taken at each moment: what was written and not yet synced, and names whose
// directory was not yet synced. It is how tests prove at the real seam that a program syncs
// before it promises.
//
// strace prints the entry of a call before the kernel carries it out, and keeps the thread until it
// has printed the return. So where one call caused another, the return of the first is printed
// before the entry of the second.
package strace

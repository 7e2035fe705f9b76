// Package drainer tests the program drainer, into files: its states, orders, the pumps it pulls from, and
// input that is damaged.
package drainer

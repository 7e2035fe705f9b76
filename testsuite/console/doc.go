// Package console tests the console, binlogctl and the demo: the programs on a real and on the embedded PD,
// with clients that behave, lie, ask for everything, or are many.
package console

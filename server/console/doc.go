// Package console is the console put together: the front end for MySQL clients, the page, and what both
// read from, with its configuration. `pumphouse serve` runs it, and the demo.
package console

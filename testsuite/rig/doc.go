// Package rig holds what the tests of the whole product share: the programs as processes, a PD with pumps
// and drainers that tests look into, and a shop that plays TiDB for them. A test of an area (testsuite/console,
// pump, drainer, ...) says what it wants to happen; how to make it happen and how to see it is here.
package rig

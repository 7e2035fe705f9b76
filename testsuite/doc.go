// Package testsuite checks how the code base is laid out. Below it are the tests of the whole product, a
// package an area: its real programs against things nobody here wrote, such as a real PD, the MariaDB client,
// PyMySQL, node mysql2 and go-sql-driver. `make test` runs the short form of each; with PUMPHOUSE_SOAK=1 in
// the environment (`make soak`) they run at full length. README.md says which test holds which promise.
package testsuite

// Command bench measures the product against limits measured in the same run and prints
// the tables of BENCHMARKS.md. Servers and limits run in processes of their own; the load
// comes from this one. Nothing here asserts anything: figures are for people.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "echo" {
		if err := echoServer(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench echo:", err)
			os.Exit(1)
		}
		return
	}
	bin := flag.String("bin", "bin/pumphouse", "the program to measure")
	d := flag.Duration("time", 5*time.Second, "how long each figure is measured")
	flag.Parse()
	if err := benchConsole(*bin, *d); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

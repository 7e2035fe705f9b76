// Package version says of which version the programs are.
package version

import (
	"fmt"
	"runtime"
)

// Number is the project's version as -V prints it.
const Number = "0.2.0"

// Line is what a program prints for -V: its name, the version, and what it was built with and for.
func Line(program string) string {
	return fmt.Sprintf("%s %s %s %s/%s", program, Number, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

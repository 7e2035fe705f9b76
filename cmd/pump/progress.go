package main

import (
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"github.com/sirupsen/logrus"
	"golang.org/x/term"

	"pumphouse/internal/logs"
)

// repairing shows how many segments of the log a repair has read: a bar on a terminal, else a line in the log when it takes long.
func repairing(to io.Writer, log logrus.FieldLogger) (progress func(segment, of int), end func()) {
	f, ok := to.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		far := new(logs.HowFar)
		return func(segment, of int) { far.Tell(segment, of, "segments of the log") }, logs.Step(log, "repair the log", far.Fields)
	}
	bar := progressbar.NewOptions(1, progressbar.OptionSetWriter(to), progressbar.OptionSetDescription("repair the log"),
		progressbar.OptionShowCount(), progressbar.OptionSetItsString("segments"), progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish())
	return func(segment, of int) {
			bar.ChangeMax(of)
			_ = bar.Set(segment - 1) // it only draws
		}, func() {
			_ = bar.Finish() // it only draws
		}
}

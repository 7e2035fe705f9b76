package storage

import (
	"fmt"
	"strconv"
	"strings"
)

// The names of the store's files.
const (
	logPrefix      = "log-"
	indexPrefix    = "index-"
	waitPrefix     = "wait-"
	checkpointName = "checkpoint"
	reserveName    = "reserve"
	repairName     = "repairing"
	tmpSuffix      = ".tmp" // a file still being made; worth nothing after a crash
)

func logName(seg uint32) string      { return fmt.Sprintf("%s%010d", logPrefix, seg) }
func indexName(file uint32) string   { return fmt.Sprintf("%s%010d", indexPrefix, file) }
func waitName(file uint32) string    { return fmt.Sprintf("%s%010d", waitPrefix, file) }
func waitNumber(name string) uint32  { return fileNumber(name, waitPrefix) }
func logNumber(name string) uint32   { return fileNumber(name, logPrefix) }
func indexNumber(name string) uint32 { return fileNumber(name, indexPrefix) }

// fileNumber is the number in a file's name, 0 when the file is of another kind.
func fileNumber(name, prefix string) uint32 {
	digits, ok := strings.CutPrefix(name, prefix)
	if !ok || len(digits) != 10 {
		return 0
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

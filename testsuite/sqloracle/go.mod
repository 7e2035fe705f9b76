module pumphouse/testsuite/sqloracle

go 1.26.0

require (
	github.com/pingcap/tidb/parser v0.0.0-20230303060110-ad01574a71b3
	github.com/pingcap/tidb/pkg/parser v0.0.0-20260418072757-ce92298d1124
	pumphouse v0.0.0
)

require (
	github.com/coreos/go-semver v0.3.1 // indirect
	github.com/cznic/mathutil v0.0.0-20181122101859-297441e03548 // indirect
	github.com/pingcap/errors v0.11.5-0.20250523034308-74f78ae071ee // indirect
	github.com/pingcap/failpoint v0.0.0-20251231045439-91d91e123837 // indirect
	github.com/pingcap/log v1.1.1-0.20241212030209-7e3ff8601a2a // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	go.uber.org/atomic v1.11.0 // indirect
	go.uber.org/multierr v1.11.0 // indirect
	go.uber.org/zap v1.27.1 // indirect
	golang.org/x/exp v0.0.0-20240325151524-a685a6edb6d8 // indirect
	golang.org/x/text v0.43.0 // indirect
	gopkg.in/natefinch/lumberjack.v2 v2.2.1 // indirect
)

replace pumphouse => ../..

// The old grammar needs slices.SortFunc as it was then.
replace golang.org/x/exp => golang.org/x/exp v0.0.0-20220428152302-39d4317da171

package replication

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"pumphouse/testsuite/programs"
)

func TestMain(m *testing.M) { programs.Main(m) }

// seconds is how long a part of a test takes in its short form, or what REPLICATION_SECONDS says.
func seconds(t *testing.T, n int) time.Duration {
	t.Helper()
	if given := os.Getenv("REPLICATION_SECONDS"); given != "" {
		var err error
		if n, err = strconv.Atoi(given); err != nil {
			t.Fatalf("REPLICATION_SECONDS: %v", err)
		}
	}
	return time.Duration(n) * time.Second
}

// oddMariaDB are options of a MariaDB that is set up in another way than TiDB, in half the runs.
func oddMariaDB(t *testing.T, seed uint64) (options []string) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 55))
	if r.IntN(2) == 0 {
		options = append(options, "--explicit-defaults-for-timestamp=OFF")
	}
	if r.IntN(2) == 0 {
		options = append(options, "--default-time-zone=+03:00")
	}
	if r.IntN(2) == 0 {
		options = append(options, "--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES,TRADITIONAL", "--collation-server=utf8mb4_unicode_ci")
	}
	t.Logf("mariadbd %s", options)
	return options
}

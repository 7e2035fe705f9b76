package tools

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// scripted is a tool whose helper does everything and tells what it did.
func scripted(name, limits string, command ...string) tool {
	return tool{name: name, limits: limits, run: func(t *testing.T, s *session) { s.script(t, command[0], command[1:]...) }}
}

// pinned is a client of testsuite/clients/python/requirements.txt. Where the registry could
// not be reached its test is skipped and says so; with STRICT=1 it fails.
func pinned(name, limits, script string, args ...string) tool {
	return tool{name: name, limits: limits, run: func(t *testing.T, s *session) {
		python := absolute(t, ".cache", "python", "bin", "python")
		if _, err := os.Stat(python); err != nil {
			why := "run testsuite/clients/python/install.sh"
			if text, err := os.ReadFile(absolute(t, ".cache", "python.missing")); err == nil {
				why = string(bytes.TrimSpace(text))
			}
			if os.Getenv("STRICT") == "1" {
				t.Fatalf("%s is not installed: %s", name, why)
			}
			t.Skipf("%s is not installed: %s", name, why)
		}
		s.script(t, python, append([]string{filepath.Join("python", script)}, args...)...)
	}}
}

// libraries are drivers, and what is built on drivers.
func libraries() []tool {
	python := func(script string, args ...string) []string {
		return append([]string{"/usr/bin/python3", filepath.Join("python", script)}, args...)
	}
	return []tool{
		{name: "go-sql-driver", run: goDriver},
		{name: "GORM", limits: "AutoMigrate is refused (1235)", run: gorm},
		scripted("PyMySQL", "", python("dbapi.py", "pymysql")...),
		scripted("mysqlclient (MySQLdb)", "", python("dbapi.py", "MySQLdb")...),
		scripted("SQLAlchemy", "create_all is refused (1235)", python("alchemy.py")...),
		pinned("Connector/Python, pure", "", "connector.py", "pure"),
		pinned("Connector/Python, C extension", "", "connector.py", "c"),
		pinned("SQLAlchemy 2, aiomysql", "mapped objects cannot be added (1235)", "asyncalchemy.py"),
		scripted("DBD::mysql", "", "perl", "perl/dbi.pl", "mysql"),
		scripted("DBD::MariaDB", "", "perl", "perl/dbi.pl", "MariaDB"),
		scripted("ruby mysql2", "", "ruby", "ruby/mysql2.rb"),
		scripted("PHP mysqli", "", "php", "php/drivers.php", "mysqli"),
		scripted("PHP PDO, native prepares", "", "php", "php/drivers.php", "pdo-native"),
		scripted("PHP PDO, emulated prepares", "", "php", "php/drivers.php", "pdo-emulated"),
		scripted("MariaDB Connector/J", "", "java", "-XX:TieredStopAtLevel=1", "-cp", "/usr/share/java/mariadb-java-client.jar", "java/Jdbc.java"),
		scripted("node mysql2", "", "node", "node/mysql2.js"),
		scripted("node mysql", "", "node", "node/mysql.js"),
		scripted("node mariadb", "changeUser: the driver refuses it for every server that is no MariaDB", "node", "node/mariadb.js"),
		scripted("knex", "migrations are refused (1235)", "node", "node/knex.js"),
		scripted("sequelize", "sync is refused (1235)", "node", "node/sequelize.js"),
		scripted("typeorm", "synchronize is refused (1235)", "node", "node/typeorm.js"),
	}
}

func goDriver(t *testing.T, s *session) {
	s.version = number(command(t, "", "go", "list", "-m", "-f", "{{.Version}}", "github.com/go-sql-driver/mysql"))
	db := s.open(t, "parseTime=true&multiStatements=true")
	s.does(t, "prepared SELECT, dates as time.Time, column types", func(t *testing.T) {
		var at time.Time
		var labels sql.NullString
		row := db.QueryRowContext(t.Context(), "SELECT commit_time, labels FROM pumps WHERE node_id = ? AND max_commit_ts > ?", "pump2", 1)
		if err := row.Scan(&at, &labels); err != nil {
			t.Fatal(err)
		}
		same(t, "row", at.Format(time.RFC3339Nano)+labels.String, `2019-05-22T07:09:04.218Z{"zone":"a"}`)
		rows, err := db.QueryContext(t.Context(), "SELECT node_id, max_commit_ts, lag_seconds FROM pumps LIMIT 0")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		types, err := rows.ColumnTypes()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, c := range types {
			names = append(names, c.DatabaseTypeName())
		}
		same(t, "types", names, []string{"VARCHAR", "BIGINT", "DECIMAL"})
	})
	s.does(t, "`CHANGE PUMP` with parameters in a transaction, several results, errors by number", func(t *testing.T) {
		for _, state := range []string{"paused", "online"} {
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.ExecContext(t.Context(), "CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?", state, s.node); err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			same(t, "state", strings.ToLower(scalar(t, db, "SELECT state FROM pumps WHERE node_id = ?", s.node)), state)
		}
		rows, err := db.QueryContext(t.Context(), "SELECT 1; SHOW DRAINER STATUS")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		if !rows.NextResultSet() || !rows.Next() {
			t.Fatalf("no second result: %v", rows.Err())
		}
		var refused *mysql.MySQLError
		if _, err := db.ExecContext(t.Context(), "DELETE FROM pumps"); !errors.As(err, &refused) || refused.Number != 1235 {
			t.Fatalf("DELETE: %v", err)
		}
	})
}

// gorm is a program in a module of its own.
func gorm(t *testing.T, s *session) {
	program := filepath.Join(t.TempDir(), "gorm")
	command(t, "", "go", "build", "-C", "gorm", "-o", program, ".")
	s.script(t, program)
}

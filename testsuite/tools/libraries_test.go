package tools

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"pumphouse/testsuite/form"
)

// nodejs is a script of testsuite/tools/node, with the packages of testsuite/clients/node.
func nodejs(name, limits, script string) tool {
	return pinned("node", name, limits, func(string) []string { return []string{"node", filepath.Join("node", script)} })
}

// scripted is a tool whose helper does everything and tells what it did.
func scripted(name, limits string, command ...string) tool {
	return tool{name: name, limits: limits, run: func(t *testing.T, s *session) { s.script(t, command[0], command[1:]...) }}
}

// pinned is a client of testsuite/clients/<language>. Where that language's registry could not
// be reached its test is a skipped check.
func pinned(language, name, limits string, command func(cache string) []string) tool {
	return tool{name: name, limits: limits, run: func(t *testing.T, s *session) {
		cache := form.Clients(t, root, language)
		words := command(cache)
		s.script(t, words[0], words[1:]...)
	}}
}

// python is a script of testsuite/tools/python, with the packages of testsuite/clients/python.
func python(name, limits, script string, args ...string) tool {
	return pinned("python", name, limits, func(cache string) []string {
		return append([]string{filepath.Join(cache, "bin", "python"), filepath.Join("python", script)}, args...)
	})
}

// java is a program of testsuite/clients/java. Those that do not know their own version are
// told that of their jar.
func java(name, limits, class, jar string) tool {
	return pinned("java", name, limits, func(cache string) []string {
		version := "?"
		if found, _ := filepath.Glob(filepath.Join(cache, "lib", jar+"-[0-9]*.jar")); len(found) == 1 {
			version = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(found[0]), jar+"-"), ".jar")
		}
		return []string{"java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dversion=" + version,
			"-cp", filepath.Join(cache, "classes") + ":" + filepath.Join(cache, "lib", "*"), "clients." + class}
	})
}

// rust is a program of testsuite/clients/rust.
func rust(name, limits, program string) tool {
	return pinned("rust", name, limits, func(cache string) []string { return []string{filepath.Join(cache, program)} })
}

// libraries are drivers, and what is built on drivers.
func libraries() []tool {
	debian := func(script string, args ...string) []string {
		return append([]string{"/usr/bin/python3", filepath.Join("python", script)}, args...)
	}
	return []tool{
		{name: "go-sql-driver", run: goDriver},
		{name: "GORM", limits: "AutoMigrate is refused (1235)", run: gorm},
		scripted("PyMySQL", "", debian("dbapi.py", "pymysql")...),
		scripted("mysqlclient (MySQLdb)", "", debian("dbapi.py", "MySQLdb")...),
		scripted("SQLAlchemy", "create_all is refused (1235)", debian("alchemy.py")...),
		python("Connector/Python, pure", "", "connector.py", "pure"),
		python("Connector/Python, C extension", "", "connector.py", "c"),
		python("SQLAlchemy 2, aiomysql", "mapped objects cannot be added (1235)", "asyncalchemy.py"),
		python("asyncmy", "", "asyncdriver.py"),
		python("Django", "save, create, delete and migrations are refused (1235)", "djangoorm.py"),
		python("pandas", "to_sql is refused (1235)", "frames.py"),
		scripted("DBD::mysql", "", "perl", "perl/dbi.pl", "mysql"),
		scripted("DBD::MariaDB", "", "perl", "perl/dbi.pl", "MariaDB"),
		scripted("ruby mysql2", "", "ruby", "ruby/mysql2.rb"),
		scripted("PHP mysqli", "", "php", "php/drivers.php", "mysqli"),
		scripted("PHP PDO, native prepares", "", "php", "php/drivers.php", "pdo-native"),
		scripted("PHP PDO, emulated prepares", "", "php", "php/drivers.php", "pdo-emulated"),
		java("MySQL Connector/J", "", "ConnectorJ", "mysql-connector-j"),
		java("MariaDB Connector/J 3", "useResetConnection: the driver resets sessions of MariaDB only", "MariaDb", "mariadb-java-client"),
		java("HikariCP", "", "Pool", "HikariCP"),
		java("Flyway", "migrate is refused (1235)", "Migrations", "flyway-core"),
		java("R2DBC MySQL", "", "R2dbc", "r2dbc-mysql"),
		java("Vert.x MySQL client", "", "VertxClient", "vertx-mysql-client"),
		scripted("MariaDB Connector/J 2", "", "java", "-XX:TieredStopAtLevel=1", "-cp", "/usr/share/java/mariadb-java-client.jar", "java/Jdbc.java"),
		rust("sqlx", "built without TLS", "with-sqlx"),
		rust("mysql_async", "built without TLS", "with-mysql-async"),
		nodejs("node mysql2", "", "mysql2.js"),
		nodejs("node mysql", "", "mysql.js"),
		nodejs("node mariadb", "changeUser: the driver refuses it for every server that is no MariaDB", "mariadb.js"),
		nodejs("knex", "migrations are refused (1235)", "knex.js"),
		nodejs("sequelize", "sync is refused (1235)", "sequelize.js"),
		nodejs("typeorm", "synchronize is refused (1235)", "typeorm.js"),
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

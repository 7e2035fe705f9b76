package main

import (
	"database/sql"
	"errors"

	"github.com/go-sql-driver/mysql"

	"pumphouse/testsuite/mariadbtest"
)

// openPool opens connections as a careful application does: texts may have several
// statements, and arguments go into them here, without another round trip.
func openPool(db *mariadbtest.Server) (*sql.DB, error) {
	pool, err := sql.Open("mysql", db.DSN()+"&interpolateParams=true")
	if err != nil {
		return nil, err
	}
	pool.SetMaxIdleConns(2 * plainConns)
	return pool, nil
}

func isDeadlock(err error) bool {
	const deadlock = 1213
	var e *mysql.MySQLError
	return errors.As(err, &e) && e.Number == deadlock
}

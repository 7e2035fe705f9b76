package mysql

import (
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// lockTurn is how long one attempt to get the lock of DDL waits, in seconds. In two of them somebody who holds it
// without running anything is known to be gone or suspended.
const lockTurn = 3

// ddlLock waits until a statement of DDL of the drainer before, which the server goes on
// with, has ended. The lock is the connection's. A connection that holds it and runs nothing is that of a process which is
// suspended, or of a machine that has gone without a word: the server would keep it for hours, so it is ended.
func (w *worker) ddlLock() error {
	name := fmt.Sprintf("pumphouse-ddl-%d", w.opts.Place.ClusterID)
	for {
		got, err := w.conn.number(w.ctx, fmt.Sprintf("SELECT GET_LOCK('%s', %d)", name, lockTurn))
		if w.server.flavour == tiDB && err != nil && !lost(err) {
			return nil // old versions have no such locks; their DDL jobs wait for each other
		}
		if got == 1 || err != nil {
			return err
		}
		if err := w.endIdleHolder(name); err != nil {
			return err
		}
	}
}

// endIdleHolder ends the connection that holds a lock if it has run nothing for as long as an attempt takes.
func (w *worker) endIdleHolder(name string) error {
	if w.server.flavour == tiDB {
		return nil // TiDB frees the locks of a connection that has gone by itself
	}
	var id, idle int64
	q := fmt.Sprintf("SELECT id, time FROM information_schema.processlist WHERE id = IS_USED_LOCK('%s') AND command = 'Sleep'", name)
	err := w.server.db.QueryRowContext(w.ctx, q).Scan(&id, &idle)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil // it runs a statement, or has gone
	case err != nil:
		return fmt.Errorf("ask who holds the lock of DDL: %w", err)
	case idle < lockTurn:
		return nil
	}
	w.opts.Logger.WithField("connection", id).WithField("idle", (time.Duration(idle) * time.Second).String()).
		Warn("a connection of the process before holds the lock of DDL and runs nothing: it is ended")
	if _, err := w.server.db.ExecContext(w.ctx, fmt.Sprintf("KILL CONNECTION %d", id)); err != nil && code(err) != errNoSuchThread {
		return fmt.Errorf("end the connection %d, which holds the lock of DDL: %w", id, err)
	}
	return nil
}

// errNoSuchThread says that a connection has gone.
const errNoSuchThread = 1094

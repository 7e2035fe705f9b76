package replication

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Bank is accounts of which every snapshot of the downstream must add up, however the
// upstream moves money and whatever happens to the drainer meanwhile.
//
// Every transaction changes all accounts of one group so that their sum stays, and writes
// its number into two tables. So whoever sees a part of a transaction sees a wrong sum or two
// numbers, also while a drainer applies again what it had applied before: it then may take a
// group back to an older transaction, but never to half of one.
//
// A second set of accounts exchanges money without such groups. Transactions applied again
// take some of it back and some not, so its total must stay only while no drainer restarts.
type Bank struct {
	open  func(params string) *sql.DB
	seed  uint64
	Moved atomic.Int64 // transactions committed
	// Free counts the accounts without groups among what must add up.
	Free bool
}

const (
	groups  = 8
	members = 4
	wealth  = 1000 // of each account at first
	free    = 20   // accounts without a group
)

// NewBank makes one; open gives a pool of connections to the TiDB.
func NewBank(open func(params string) *sql.DB, seed uint64) *Bank {
	return &Bank{open: open, seed: seed}
}

// Setup creates the accounts.
func (b *Bank) Setup(ctx context.Context) error {
	db := b.open("")
	defer db.Close()
	list := []string{"create database bank",
		"create table bank.account (grp int not null, id int not null, balance bigint not null, n bigint not null, primary key (grp, id))",
		"create table bank.left_book (grp int not null primary key, n bigint not null)",
		"create table bank.right_book (n bigint not null, grp int not null, note varchar(20), unique key (grp))",
		"create table bank.free (id int not null primary key, balance bigint not null)",
		"begin",
		fmt.Sprintf("insert into bank.free select a.n, %d from %s", wealth, digits("a", free)),
		fmt.Sprintf("insert into bank.account select g.n, m.n, %d, 0 from %s join %s", wealth, digits("g", groups), digits("m", members)),
		"insert into bank.left_book select g.n, 0 from " + digits("g", groups),
		"insert into bank.right_book select 0, g.n, 'opened' from " + digits("g", groups),
		"commit"}
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("set up the bank: %w", err)
	}
	defer conn.Close()
	for _, q := range list {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	return nil
}

// Run moves money with a few clients until ctx is done. Errors are of no account: a
// transaction that fails has moved nothing, as far as TiDB knows.
func (b *Bank) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			db := b.open("")
			defer db.Close()
			db.SetMaxOpenConns(1)
			r := rand.New(rand.NewPCG(b.seed, 1000+uint64(i)))
			for ctx.Err() == nil {
				move := b.move
				if r.IntN(3) == 0 {
					move = b.moveFree
				}
				if move(ctx, db, r) == nil {
					b.Moved.Add(1)
				} else {
					pause(ctx)
				}
			}
		})
	}
	wg.Wait()
}

// move changes the balances of one whole group.
func (b *Bank) move(ctx context.Context, db *sql.DB, r *rand.Rand) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	group := r.IntN(groups)
	var n int64
	if err := tx.QueryRowContext(ctx, "select n from bank.left_book where grp = ? for update", group).Scan(&n); err != nil {
		return err
	}
	n++
	left := 0
	for id := range members {
		amount := r.IntN(100) - 50
		if id == members-1 {
			amount = -left
		}
		left += amount
		if _, err := tx.ExecContext(ctx, "update bank.account set balance = balance + ?, n = ? where grp = ? and id = ?", amount, n, group, id); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "update bank.left_book set n = ? where grp = ?", n, group); err != nil {
		return err
	}
	// The other book changes in one of the ways a row can.
	if r.IntN(2) == 0 {
		_, err = tx.ExecContext(ctx, "update bank.right_book set n = ? where grp = ?", n, group)
	} else {
		if _, err = tx.ExecContext(ctx, "delete from bank.right_book where grp = ?", group); err == nil {
			_, err = tx.ExecContext(ctx, "insert into bank.right_book values (?, ?, 'new')", n, group)
		}
	}
	if err != nil {
		return err
	}
	return tx.Commit()
}

// moveFree moves an amount between any two accounts without a group.
func (b *Bank) moveFree(ctx context.Context, db *sql.DB, r *rand.Rand) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	from, to, amount := r.IntN(free), r.IntN(free), r.IntN(100)
	for _, q := range []string{
		fmt.Sprintf("update bank.free set balance = balance - %d where id = %d", amount, min(from, to)),
		fmt.Sprintf("update bank.free set balance = balance + %d where id = %d", amount, max(from, to)),
	} {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Watch looks at snapshots of the downstream until ctx is done, and gives how many it saw
// and the first that does not add up. A server that cannot be asked now is asked again.
func (b *Bank) Watch(ctx context.Context, downstream *sql.DB) (seen int, wrong error) {
	for ctx.Err() == nil {
		ok, err := b.look(ctx, downstream)
		if err != nil {
			return seen, err
		}
		if ok {
			seen++
		}
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Millisecond):
		}
	}
	return seen, nil
}

// look takes one snapshot. ok is false when there was none.
func (b *Bank) look(ctx context.Context, db *sql.DB) (ok bool, wrong error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return false, nil
	}
	defer conn.Close()
	for _, q := range []string{"set transaction isolation level repeatable read", "start transaction with consistent snapshot"} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return false, nil
		}
	}
	defer conn.ExecContext(context.WithoutCancel(ctx), "rollback")
	var rows int
	if err := conn.QueryRowContext(ctx, "select count(*) from bank.free").Scan(&rows); err != nil || rows == 0 {
		return false, nil // not created yet
	}
	text, found, err := first(ctx, conn, `select concat('group ', g.grp, ': balances ', g.balance, ' of ', g.members, ' accounts, numbers ', g.low, ' to ', g.high, ', books ', coalesce(l.n, 'none'), ' and ', coalesce(r.n, 'none'))
		from (select grp, sum(balance) as balance, count(*) as members, min(n) as low, max(n) as high from bank.account group by grp) g
		left join bank.left_book l on l.grp = g.grp left join bank.right_book r on r.grp = g.grp
		where g.balance <> ? or g.members <> ? or g.low <> g.high or l.n is null or r.n is null or l.n <> r.n or l.n <> g.low`, wealth*members, members)
	if err != nil {
		return false, nil
	}
	if found {
		return false, fmt.Errorf("a transaction is seen in part: %s", text)
	}
	if !b.Free {
		return true, nil
	}
	text, found, err = first(ctx, conn, `select concat(count(*), ' free accounts hold ', sum(balance)) from bank.free having count(*) <> ? or sum(balance) <> ?`, free, free*wealth)
	if err != nil {
		return false, nil
	}
	if found {
		return false, fmt.Errorf("a transaction is seen in part: %s", text)
	}
	return true, nil
}

// first is the first row of one column, if there is one.
func first(ctx context.Context, conn *sql.Conn, query string, args ...any) (text string, found bool, err error) {
	rows, err := conn.QueryContext(ctx, query, args...)
	if err != nil {
		return "", false, err
	}
	defer rows.Close()
	if rows.Next() {
		found = true
		err = rows.Scan(&text)
	}
	if err == nil {
		err = rows.Err()
	}
	return text, found, err
}

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/testsuite/delay"
	"pumphouse/testsuite/mariadbtest"
)

// parseOneWays reads the distances between drainer and MariaDB that are measured, the nearest first.
func parseOneWays(list string) (ways []time.Duration, err error) {
	for _, text := range strings.Split(list, ",") {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("-one-way %q: use times with commas between them, such as 0s,20ms", list)
		}
		ways = append(ways, d)
	}
	return ways, nil
}

// farLoad is a load of one-row transactions: over some tables, with changes of some kinds in turns.
type farLoad struct {
	name   string
	tables int
	kinds  []binlogpb.MutationType
}

var farLoads = []farLoad{
	{"inserts", 1, []binlogpb.MutationType{binlogpb.MutationType_Insert}},
	{"updates", 1, []binlogpb.MutationType{binlogpb.MutationType_Update}},
	{"deletes", 1, []binlogpb.MutationType{binlogpb.MutationType_DeleteRow}},
	{"all three, 8 tables", 8, []binlogpb.MutationType{binlogpb.MutationType_Insert, binlogpb.MutationType_Update, binlogpb.MutationType_DeleteRow}},
}

const (
	farTables = 500 // ID of the first table
	farLag    = 2 * time.Millisecond
)

// distance prints how fast rows get into a MariaDB that is far away.
func (b *drainerBench) distance(ctx context.Context, s *site) error {
	return withMariaDB(func(db *mariadbtest.Server) error {
		_, u, err := s.onePump(ctx)
		if err != nil {
			return err
		}
		defer u.close()
		fmt.Printf("### Drainer: rows into a MariaDB that is far away\n\nA proxy between bin/drainer and MariaDB delays each direction by a time, and limits nothing. %d one-row transactions, and as\n"+
			"many more for each 50 ms, are in the pump when the drainer starts; rows/s once it runs, which is from the first tenth to the last row; the median of %d rounds, all distances in\n"+
			"turns; beside them the ratio to the figure without delay. RSS is the drainer's largest.\n\n| transactions |", b.txns, b.rounds)
		for _, d := range b.oneWays {
			fmt.Printf(" %v |", d)
		}
		fmt.Println(" RSS MB |\n|---|" + strings.Repeat("---:|", len(b.oneWays)+1))
		for i, l := range farLoads {
			if !b.lines.MatchString(l.name) {
				continue
			}
			if err := b.far(ctx, s, u, db, int64(farTables+10*i), l); err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
		}
		fmt.Println()
		if !b.lines.MatchString("lag") {
			return nil
		}
		return b.farLags(ctx, s, u, db)
	})
}

// far prints the line of a load, whose tables have IDs from table on.
func (b *drainerBench) far(ctx context.Context, s *site, u *upstream, db *mariadbtest.Server, table int64, l farLoad) error {
	var last nodes.TSO
	for i := range l.tables {
		var err error
		if last, err = u.createTable(ctx, table+int64(i)); err != nil {
			return err
		}
	}
	if _, err := b.drained(ctx, s, u, db, last, 1); err != nil {
		return err
	}
	figures := make([][]float64, len(b.oneWays))
	var most int64
	first := 1 // ID of the first row
	for range b.rounds {
		for i, oneWay := range b.oneWays {
			txns := b.txns + int(int64(b.txns)*int64(oneWay)/int64(50*time.Millisecond)) // more are on the way
			list, err := l.load(ctx, u, db, table, first, txns)
			if err != nil {
				return err
			}
			first += txns
			rate, rss, err := b.overDistance(ctx, s, u, db, oneWay, list)
			if err != nil {
				return fmt.Errorf("%v: %w", oneWay, err)
			}
			figures[i], most = append(figures[i], rate), max(most, rss)
		}
	}
	fmt.Printf("| %s |", l.name)
	near := median(slices.Clone(figures[0]))
	for _, list := range figures {
		m := median(list)
		fmt.Printf(" %.0f (%.2f) |", m, m/near)
	}
	fmt.Printf(" %.0f |\n", float64(most)/1e6)
	return nil
}

// load has what a load changes brought downstream, and then writes it. It gives the commit TSs in order.
func (l farLoad) load(ctx context.Context, u *upstream, db *mariadbtest.Server, table int64, first, txns int) ([]nodes.TSO, error) {
	at := func(i int) (int64, int, binlogpb.MutationType) { // table, row and change of a transaction
		return table + int64(i/len(l.kinds)%l.tables), first + i, l.kinds[i%len(l.kinds)]
	}
	if err := l.there(ctx, db, at, txns); err != nil {
		return nil, err
	}
	order := rand.New(rand.NewPCG(uint64(first), 7)).Perm(txns)
	list, err := u.loadEach(ctx, txns, func(n int) []byte {
		table, id, kind := at(order[n])
		switch kind {
		case binlogpb.MutationType_Update:
			return u.update(table, row{id: id, k: -1}, row{id: id, k: 1})
		case binlogpb.MutationType_DeleteRow:
			return u.remove(table, row{id: id, k: -1})
		}
		return u.inserts(table, row{id: id})
	})
	slices.Sort(list)
	return list, err
}

// there inserts the rows that are updated or deleted: downstream only, which nobody can tell.
func (l farLoad) there(ctx context.Context, db *mariadbtest.Server, at func(i int) (int64, int, binlogpb.MutationType), txns int) error {
	pool, err := openPool(db)
	if err != nil {
		return err
	}
	defer pool.Close()
	rows := map[int64][]row{}
	for i := range txns {
		if table, id, kind := at(i); kind != binlogpb.MutationType_Insert {
			rows[table] = append(rows[table], row{id: id, k: -1})
		}
	}
	for table, list := range rows {
		for chunk := range slices.Chunk(list, plainRows) {
			q := strings.Replace(insertText(table, chunk), " plain.", " bench.", 1)
			if _, err := pool.ExecContext(ctx, q); err != nil {
				return err
			}
		}
	}
	return nil
}

// overDistance runs a drainer until transactions with these commit TSs are downstream, and gives how many of them a second
// came once the first tenth was there.
func (b *drainerBench) overDistance(ctx context.Context, s *site, u *upstream, db *mariadbtest.Server, oneWay time.Duration, list []nodes.TSO) (float64, int64, error) {
	far, err := delay.Start(db.Addr(), oneWay)
	if err != nil {
		return 0, 0, err
	}
	defer far.Close()
	d, err := s.startDrainer(u, toPort(far.Port()))
	if err != nil {
		return 0, 0, err
	}
	reached, err := passes(ctx, d, list[len(list)/10])
	began := time.Now()
	var took time.Duration
	if err == nil {
		err = b.profiled(ctx, d, func() error {
			err := reaches(ctx, d, list[len(list)-1])
			took = time.Since(began)
			return err
		})
	}
	rss, _ := d.peak()
	n, there := slices.BinarySearch(list, reached) // how many were downstream when it began
	if there {
		n++
	}
	return float64(len(list)-n) / took.Seconds(), rss, errors.Join(err, d.stop())
}

func toPort(port int) string {
	return fmt.Sprintf("host = \"127.0.0.1\"\nport = %d\nuser = \"root\"\n", port)
}

// farLags prints how long a row takes at 500 transactions a second.
func (b *drainerBench) farLags(ctx context.Context, s *site, u *upstream, db *mariadbtest.Server) error {
	last, err := u.createTable(ctx, lagTable)
	if err != nil {
		return err
	}
	if _, err := b.drained(ctx, s, u, db, last, 1); err != nil {
		return err
	}
	pool, err := openPool(db)
	if err != nil {
		return err
	}
	defer pool.Close()
	fmt.Printf("Lag at %.0f one-row transactions a second: from the acknowledgement of the commit by the pump until a SELECT sees the row, in MariaDB's place.\n\n"+
		"| one way | transactions | p50 ms | p99 ms | most ms | three round trips and 50 ms |\n|---:|---:|---:|---:|---:|---:|\n", 1/farLag.Seconds())
	first := 1
	for _, oneWay := range b.oneWays {
		n, err := b.farLagAt(ctx, s, u, db, pool, oneWay, first)
		if err != nil {
			return fmt.Errorf("%v: %w", oneWay, err)
		}
		first += n
	}
	fmt.Println()
	return nil
}

func (b *drainerBench) farLagAt(ctx context.Context, s *site, u *upstream, db *mariadbtest.Server, pool *sql.DB, oneWay time.Duration, first int) (int, error) {
	far, err := delay.Start(db.Addr(), oneWay)
	if err != nil {
		return 0, err
	}
	defer far.Close()
	d, err := s.startDrainer(u, toPort(far.Port()))
	if err != nil {
		return 0, err
	}
	// Every connection is made before it counts.
	last, err := u.load(ctx, 500, func(i int) []byte { return u.inserts(lagTable, row{id: -first*1000 - i}) })
	if err == nil {
		err = reaches(ctx, d, last)
	}
	var lags []time.Duration
	if err == nil {
		lags, err = b.lags(ctx, u, pool, first, farLag)
	}
	if err := errors.Join(err, d.stop()); err != nil {
		return 0, err
	}
	slices.Sort(lags)
	n := len(lags)
	fmt.Printf("| %v | %d | %.1f | %.1f | %.1f | %.0f |\n", oneWay, n, ms(lags[n/2]), ms(lags[n*99/100]), ms(lags[n-1]), ms(6*oneWay+50*time.Millisecond))
	return n, nil
}

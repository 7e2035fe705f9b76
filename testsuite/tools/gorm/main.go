// Command gorm works with the console through GORM, as a program of an operator would.
// HOST, PORT and NODE (a pump to change) are in the environment. It is a module of its own
// so that GORM does not enter the product's.
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	gormmysql "gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Pump is a row of binlog.pumps.
type Pump struct {
	NodeID      string `gorm:"column:node_id;primaryKey"`
	Address     string
	State       string
	Alive       bool
	MaxCommitTS int64      `gorm:"column:max_commit_ts"`
	CommitTime  *time.Time `gorm:"column:commit_time"`
	Labels      *string
}

func main() {
	log.SetFlags(0)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "gorm.io/gorm" {
				fmt.Println("version", strings.TrimPrefix(m.Version, "v"))
			}
		}
	}
	dsn := fmt.Sprintf("root@tcp(%s:%s)/binlog?charset=utf8mb4&parseTime=True&loc=UTC", os.Getenv("HOST"), os.Getenv("PORT"))
	for _, prepare := range []bool{false, true} {
		db, err := gorm.Open(gormmysql.Open(dsn), &gorm.Config{PrepareStmt: prepare, Logger: logger.Discard})
		if err != nil {
			log.Fatal(err)
		}
		for _, f := range []func(*gorm.DB) error{migrator, find, change} {
			if err := f(db); err != nil {
				log.Fatalf("prepared statements %v: %v", prepare, err)
			}
		}
		if !prepare {
			fmt.Println("did Migrator: GetTables, HasTable, HasColumn, ColumnTypes, GetIndexes, CurrentDatabase")
			fmt.Println("did Find, First, Count, Group into structs; errors by number")
			fmt.Println("did Transaction, `CHANGE PUMP` by Exec")
		}
	}
	fmt.Println("did the same with PrepareStmt")
}

func want[T any](what string, got, want T) error {
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("%s: %v, want %v", what, got, want)
	}
	return nil
}

func migrator(db *gorm.DB) error {
	m := db.Migrator()
	tables, err := m.GetTables()
	if err != nil {
		return fmt.Errorf("GetTables: %w", err)
	}
	types, err := m.ColumnTypes(&Pump{})
	if err != nil {
		return fmt.Errorf("ColumnTypes: %w", err)
	}
	var shown []string
	for _, t := range types {
		full, _ := t.ColumnType()
		key, _ := t.PrimaryKey()
		null, _ := t.Nullable()
		if name := t.Name(); name == "node_id" || name == "max_commit_ts" || name == "lag_seconds" {
			shown = append(shown, fmt.Sprint(name, " ", full, " ", key, " ", null))
		}
	}
	indexes, err := m.GetIndexes(&Pump{})
	if err != nil {
		return fmt.Errorf("GetIndexes: %w", err)
	}
	return errors.Join(
		want("tables", tables, []string{"drainers", "events", "positions", "pumps", "standbys", "unresolved"}),
		want("HasTable", []bool{m.HasTable("pumps"), m.HasTable("nope"), m.HasColumn(&Pump{}, "state"), m.HasColumn(&Pump{}, "nope")}, []bool{true, false, true, false}),
		want("columns", shown, []string{"node_id varchar(255) true false", "max_commit_ts bigint false false", "lag_seconds decimal(20,3) false true"}),
		want("number of columns", len(types), 15),
		want("indexes", len(indexes), 1),
		want("database", m.CurrentDatabase(), "binlog"))
}

func find(db *gorm.DB) error {
	var pumps []Pump
	err := db.Where("node_id LIKE ? AND state IN ?", "pump%", []string{"online", "paused"}).Order("node_id DESC").Limit(1).Offset(1).Find(&pumps).Error
	if err != nil || len(pumps) != 1 {
		return fmt.Errorf("Find: %d rows, %w", len(pumps), err)
	}
	var first Pump
	if err := db.First(&first, "node_id = ?", "pump2").Error; err != nil {
		return fmt.Errorf("First: %w", err)
	}
	var n int64
	if err := db.Model(&Pump{}).Where("node_id LIKE ?", "pump%").Distinct("state").Count(&n).Error; err != nil {
		return fmt.Errorf("Count: %w", err)
	}
	var totals []struct {
		State string
		N     int
	}
	if err := db.Model(&Pump{}).Select("state, COUNT(*) AS n").Where("node_id LIKE ?", "pump%").Group("state").Having("n > ?", 1).Scan(&totals).Error; err != nil {
		return fmt.Errorf("Group: %w", err)
	}
	var refused *mysql.MySQLError
	if err := db.Create(&Pump{NodeID: "x"}).Error; !errors.As(err, &refused) {
		return fmt.Errorf("Create: %w, want an error of the server", err)
	}
	missing := db.First(&Pump{}, "node_id = ?", "nope").Error
	return errors.Join(
		want("pump", pumps[0].NodeID+" "+fmt.Sprint(pumps[0].MaxCommitTS), "pump1 408553768673342237"),
		want("labels", *first.Labels, `{"zone":"a"}`),
		want("time", first.CommitTime.Format(time.RFC3339Nano), "2019-05-22T07:09:04.218Z"),
		want("count", n, 2),
		want("groups", fmt.Sprint(totals), "[{Online 2}]"),
		want("refused", refused.Number, 1235),
		want("missing", errors.Is(missing, gorm.ErrRecordNotFound), true))
}

func change(db *gorm.DB) error {
	node := os.Getenv("NODE")
	return db.Transaction(func(tx *gorm.DB) error {
		for _, state := range []string{"paused", "online"} {
			if err := tx.Exec("CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?", state, node).Error; err != nil {
				return fmt.Errorf("CHANGE: %w", err)
			}
			var now string
			if err := tx.Model(&Pump{}).Where("node_id = ?", node).Pluck("state", &now).Error; err != nil {
				return fmt.Errorf("Pluck: %w", err)
			}
			if err := want("state", strings.ToLower(now), state); err != nil {
				return err
			}
		}
		return nil
	})
}

package engineoracle

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/shopspring/decimal"

	"pumphouse/server/engine"
)

// load makes the same tables in MariaDB and in the environment: the columns are those
// MariaDB itself describes.
func (e *env) load(t *testing.T, conn *client.Conn) {
	t.Helper()
	for _, q := range []string{
		"CREATE DATABASE oracle DEFAULT CHARSET utf8mb4",
		"USE oracle",
		"CREATE TABLE pumps (id INT NOT NULL, node VARCHAR(20) NOT NULL, state VARCHAR(10), score DECIMAL(10,2), load_avg DOUBLE, ts BIGINT UNSIGNED, seen DATETIME(3))",
		"INSERT INTO pumps VALUES (1,'pump1','Online',1.50,0.5,470642465486929921,'2024-06-01 10:00:00.123'),(2,'pump2','paused',NULL,1.25,470642465486929922,'2024-06-02 11:30:00'),(3,'Pump3','online',2.25,NULL,18446744073709551615,NULL),(4,'pump4',NULL,-3.00,2e10,0,'2023-12-31 23:59:59.999')",
		"CREATE TABLE drainers (id INT NOT NULL, node VARCHAR(20), pump_id INT, delay INT, day DATE, took TIME)",
		"INSERT INTO drainers VALUES (1,'d1',1,10,'2024-01-31','01:02:03'),(2,'d2',1,20,'2024-02-29','-10:00:00'),(3,'d3',2,NULL,NULL,NULL),(4,'d4',9,5,'2023-12-25','100:00:00')",
	} {
		if _, err := conn.Execute(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	version, err := conn.Execute("SELECT VERSION()")
	if err != nil {
		t.Fatal(err)
	}
	if e.version, err = version.GetString(0, 0); err != nil {
		t.Fatal(err)
	}
	e.tables = map[string]*table{}
	for _, name := range []string{"pumps", "drainers"} {
		r, err := conn.Execute("SELECT * FROM " + name)
		if err != nil {
			t.Fatal(err)
		}
		tab := &table{}
		for _, f := range r.Fields {
			tab.cols = append(tab.cols, engine.Column{Schema: "oracle", OrgTable: name, Name: string(f.Name), OrgName: string(f.OrgName),
				Type: f.Type, Flags: f.Flag, Length: f.ColumnLength, Decimals: f.Decimal, Charset: f.Charset})
		}
		for _, data := range r.RowDatas {
			row, err := data.ParseText(r.Fields, nil)
			if err != nil {
				t.Fatal(err)
			}
			out := make([]engine.Value, len(row))
			for i := range row {
				out[i] = toValue(t, tab.cols[i], row[i].Value())
			}
			tab.rows = append(tab.rows, out)
		}
		e.tables[name] = tab
	}
}

func toValue(t *testing.T, c engine.Column, v any) engine.Value {
	t.Helper()
	switch v := v.(type) {
	case nil:
		return engine.Null()
	case int64:
		return engine.Int(v)
	case uint64:
		return engine.Uint(v)
	case float64:
		return engine.Float(v)
	case []byte:
		return textToValue(t, c, string(v))
	}
	t.Fatalf("a value of type %T", v)
	return engine.Null()
}

func textToValue(t *testing.T, c engine.Column, s string) engine.Value {
	t.Helper()
	at := func(layout string) engine.Value {
		v, err := parseTime(layout, s)
		if err != nil {
			t.Fatal(err)
		}
		if c.Type == mysql.MYSQL_TYPE_DATE {
			return engine.Date(v)
		}
		return engine.Datetime(v, c.Decimals)
	}
	switch c.Type {
	case mysql.MYSQL_TYPE_NEWDECIMAL:
		return engine.Decimal(decimal.RequireFromString(s))
	case mysql.MYSQL_TYPE_DATE:
		return at("2006-01-02")
	case mysql.MYSQL_TYPE_DATETIME:
		return at("2006-01-02 15:04:05")
	case mysql.MYSQL_TYPE_TIME:
		var h, m, sec int
		if _, err := fmt.Sscanf(strings.TrimPrefix(s, "-"), "%d:%d:%d", &h, &m, &sec); err != nil {
			t.Fatal(err)
		}
		d := seconds(h*3600 + m*60 + sec)
		if strings.HasPrefix(s, "-") {
			d = -d
		}
		return engine.Duration(d, 0)
	}
	return engine.String(s)
}

func parseTime(layout, s string) (time.Time, error) { return time.ParseInLocation(layout, s, time.UTC) }

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

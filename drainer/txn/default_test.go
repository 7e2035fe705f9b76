package txn_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pumphouse/drainer/txn"
)

// TestDefault: what a sink gets for a column that a row does not have.
func TestDefault(t *testing.T) {
	zone := time.FixedZone("", 2*3600)
	const notNull, unsigned = 1, 32
	for _, c := range []struct {
		tp, flag int
		more     string // of the type
		column   string // of the column
		want     string
	}{
		{3, 0, "", `"default":"5"`, "5"},
		{3, 0, "", `"default":"5","origin_default":"4"`, "4"},
		{3, 0, "", `"default":null`, "NULL"},
		{3, notNull, "", `"default":null`, "0"},
		{8, notNull | unsigned, "", `"origin_default":"18446744073709551615"`, "18446744073709551615"},
		{3, 0, "", `"default":7`, "7"}, // a JSON number
		{4, 0, "", `"default":"0.1"`, "0.1"},
		{246, notNull, `,"Flen":10,"Decimal":3`, `"default":null`, "0.000"},
		{246, 0, `,"Flen":10,"Decimal":3`, `"default":"1.500"`, "1.500"},
		{247, 0, `,"Elems":["x","y"]`, `"default":"Y"`, "y"},
		{247, notNull, `,"Elems":["x","y"]`, `"default":null`, "x"},
		{248, 0, `,"Elems":["a","b","c"]`, `"default":"c,a"`, "a,c"},
		{16, 0, `,"Flen":9`, `"default":"\u0001\u0002","default_bit":"AQI="`, "\x01\x02"},
		{7, 0, "", `"origin_default":"2020-02-02 02:02:02"`, "2020-02-02 04:02:02"},
		{7, notNull, `,"Decimal":3`, `"default":"CURRENT_TIMESTAMP"`, "0000-00-00 00:00:00.000"},
		{7, 0, "", `"default":"0000-00-00 00:00:00"`, "0000-00-00 00:00:00"},
		{12, 0, "", `"default":"2020-02-02 02:02:02"`, "2020-02-02 02:02:02"},
		{11, notNull, `,"Decimal":1`, `"default":null`, "00:00:00.0"},
		{15, notNull, `,"Charset":"utf8mb4"`, `"default":null`, ""},
		{15, 0, `,"Charset":"utf8mb4"`, `"default":"uuid()","default_is_expr":true`, "NULL"},
		{245, notNull, "", `"default":null`, "null"},
	} {
		info := fmt.Sprintf(`{"id":100,"name":"t","state":5,"cols":[{"id":1,"name":"c","state":5,"type":{"Tp":%d,"Flag":%d%s},%s}]}`, c.tp, c.flag, c.more, c.column)
		tab := oracleTable(t, json.RawMessage(info))
		got, err := txn.Default(&tab.Columns[0], zone)
		if err != nil || got.String() != c.want {
			t.Errorf("%s: %q, %v; want %q", info, got, err, c.want)
		}
	}
	tab := oracleTable(t, json.RawMessage(`{"id":100,"name":"t","state":5,"cols":[{"id":1,"name":"c","state":5,"type":{"Tp":3},"default":"five"}]}`))
	if _, err := txn.Default(&tab.Columns[0], zone); err == nil {
		t.Error("a number that is none is taken")
	}
}

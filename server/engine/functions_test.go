package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// TestFunctionValues pins what functions give that no oracle of the tests has in the same way:
// TiDB's own, and those in which MySQL and MariaDB differ. Values are from MySQL 8's and TiDB's
// documents. NULL stands for NULL.
func TestFunctionValues(t *testing.T) {
	for sql, want := range map[string]string{
		// The session's zone is two hours east of UTC.
		"TIDB_PARSE_TSO(404411537129996288)":           "2018-11-20 11:53:04.877000",
		"TIDB_PARSE_TSO('404411537129996288')":         "2018-11-20 11:53:04.877000",
		"TIDB_PARSE_TSO(0)":                            "NULL",
		"TIDB_PARSE_TSO(-5)":                           "NULL",
		"TIDB_PARSE_TSO(NULL)":                         "NULL",
		"TIDB_PARSE_TSO_LOGICAL(450456244814610433)":   "1",
		"TIDB_PARSE_TSO_LOGICAL('450456244814610434')": "2",
		"TIDB_PARSE_TSO_LOGICAL(0)":                    "NULL",

		"STR_TO_DATE('01,5,2013','%d,%m,%Y')":                           "2013-05-01",
		"STR_TO_DATE('May 1, 2013','%M %d,%Y')":                         "2013-05-01",
		"STR_TO_DATE('a09:30:17','a%h:%i:%s')":                          "09:30:17",
		"STR_TO_DATE('a09:30:17','%h:%i:%s')":                           "NULL",
		"STR_TO_DATE('09:30:17a','%h:%i:%s')":                           "09:30:17",
		"STR_TO_DATE('abc','abc')":                                      "NULL",
		"STR_TO_DATE('9','%m')":                                         "NULL",
		"STR_TO_DATE('2026-11-27 23:02:25.841','%Y-%m-%d %H:%i:%s.%f')": "2026-11-27 23:02:25.841000",
		"STR_TO_DATE('200442 Monday','%X%V %W')":                        "2004-10-18",
		"STR_TO_DATE('2013 100','%Y %j')":                               "2013-04-10",
		"STR_TO_DATE('12:30:00 AM','%r')":                               "00:30:00",
		"STR_TO_DATE('13:30:00 PM','%r')":                               "NULL",
		"STR_TO_DATE('2026-02-30','%Y-%m-%d')":                          "NULL",
		"STR_TO_DATE('26-feb-3','%y-%b-%e')":                            "2026-02-03",
		"STR_TO_DATE('3rd Mar 26','%D %b %y')":                          "2026-03-03",
		"STR_TO_DATE('','%Y')":                                          "NULL",
		"STR_TO_DATE(NULL,'%Y')":                                        "NULL",

		"CONVERT_TZ('2004-01-01 12:00:00','UTC','Europe/Moscow')":    "2004-01-01 15:00:00",
		"CONVERT_TZ('2026-07-01 12:00:00.25','Europe/Berlin','UTC')": "2026-07-01 10:00:00.25",
		"CONVERT_TZ('2004-01-01 12:00:00','UTC','Nowhere/At_All')":   "NULL",
		"CONVERT_TZ('9999-01-01 12:00:00','UTC','Europe/Moscow')":    "9999-01-01 12:00:00",
		"CONVERT_TZ(NULL,'UTC','UTC')":                               "NULL",

		"TIMESTAMP('2003-12-31')":                                   "2003-12-31 00:00:00",
		"TIMESTAMP('2003-12-31 12:00:00','12:00:00')":               "2004-01-01 00:00:00",
		"TIMESTAMP('2003-12-31 12:00:00','-12:00:00.5')":            "2003-12-30 23:59:59.5",
		"ADDTIME('2007-12-31 23:59:59.999999', '1 1:1:1.000002')":   "2008-01-02 01:01:01.000001",
		"ADDTIME('01:59:59.999999', '02:00:00.999998')":             "04:00:00.999997",
		"ADDTIME('01:00:00', '-02:00:00')":                          "-01:00:00",
		"ADDTIME('01:00:00', '2020-01-01 00:00:00')":                "NULL",
		"ADDTIME(CAST('10:00:00' AS TIME), '800:00:00')":            "810:00:00",
		"ADDTIME(CAST('100:00:00' AS TIME), '800:00:00')":           "838:59:59",
		"SUBTIME('2007-12-31 23:59:59.999999','1 1:1:1.000002')":    "2007-12-30 22:58:58.999997",
		"SUBTIME(CAST('2020-01-01 00:00:00' AS DATETIME), '0:0:1')": "2019-12-31 23:59:59",

		"REGEXP_LIKE('Michael!', '.*')":                           "1",
		"REGEXP_LIKE('new*\\n*line', 'new\\\\*.\\\\*line')":       "0",
		"REGEXP_LIKE('new*\\n*line', 'new\\\\*.\\\\*line', 'n')":  "1",
		"REGEXP_LIKE('abc', 'ABC')":                               "1",
		"REGEXP_LIKE('abc', 'ABC', 'c')":                          "0",
		"REGEXP_LIKE('a\\nb', '^b$')":                             "0",
		"REGEXP_LIKE('a\\nb', '^b$', 'm')":                        "1",
		"'a\\nb' REGEXP 'a.b'":                                    "0",
		"REGEXP_REPLACE('a b c', 'b', 'X')":                       "a X c",
		"REGEXP_REPLACE('abc def ghi', '[a-z]+', 'X', 1, 3)":      "abc def X",
		"REGEXP_REPLACE('abc def', '([a-z]+) ([a-z]+)', '$2 $1')": "def abc",
		"REGEXP_REPLACE('é1é2', '[0-9]', '', 3)":                  "é1é",
		"REGEXP_REPLACE('abc', 'b', '\\\\$1')":                    "a$1c",
		"REGEXP_REPLACE('abc', 'x*', '-')":                        "-a-b-c-",
		"REGEXP_SUBSTR('abc def ghi', '[a-z]+')":                  "abc",
		"REGEXP_SUBSTR('abc def ghi', '[a-z]+', 1, 3)":            "ghi",
		"REGEXP_SUBSTR('abc', 'x')":                               "NULL",
		"REGEXP_INSTR('dog cat dog', 'dog')":                      "1",
		"REGEXP_INSTR('dog cat dog', 'dog', 2)":                   "9",
		"REGEXP_INSTR('dog cat dog', 'dog', 1, 2, 1)":             "12",
		"REGEXP_INSTR('aa aaa aaaa', 'a{4}')":                     "8",
		"REGEXP_INSTR('abc', 'x')":                                "0",
		"REGEXP_INSTR('abc', NULL)":                               "NULL",
	} {
		r, err := (&Executor{Env: newEnv()}).Select(context.Background(), parseQuery(t, "SELECT "+sql))
		if err != nil {
			t.Errorf("%s: %v", sql, err)
		} else if got := show(r); got != want {
			t.Errorf("%s = %s, want %s", sql, got, want)
		}
	}
}

func TestFunctionErrors(t *testing.T) {
	for sql, want := range map[string]uint16{
		"REGEXP_LIKE('a', '(')":                  1139,
		"REGEXP_LIKE('a', 'a', 'x')":             1210,
		"REGEXP_REPLACE('a', 'a', 'b', 3)":       3686,
		"REGEXP_SUBSTR('a', 'a', 0)":             3686,
		"REGEXP_INSTR('a', 'a', 1, 1, 2)":        1210,
		"TIDB_BOUNDED_STALENESS(NOW(), NOW())":   1305,
		"TIDB_IS_DDL_OWNER()":                    1305,
		"TIDB_PARSE_TSO()":                       1582,
		"STR_TO_DATE('a')":                       1582,
		"CONVERT_TZ('2020-01-01', 'UTC')":        1582,
		"(SELECT SUM(a) OVER () FROM t LIMIT 1)": 1235,
	} {
		_, err := (&Executor{Env: newEnv()}).Select(context.Background(), parseQuery(t, "SELECT "+sql))
		var my *Error
		if !errors.As(err, &my) || my.Code != want {
			t.Errorf("%s: %v, want error %d", sql, err, want)
		}
	}
	for sql, want := range map[string]string{
		"WITH RECURSIVE c AS (SELECT 1 UNION ALL SELECT 2) SELECT * FROM c": "RECURSIVE",
		"SELECT a, COUNT(*) FROM t GROUP BY a WITH ROLLUP":                  "ROLLUP",
	} {
		_, err := (&Executor{Env: newEnv()}).Select(context.Background(), parseQuery(t, sql))
		var my *Error
		if !errors.As(err, &my) || my.Code != 1235 || !strings.Contains(my.Message, want) {
			t.Errorf("%s: %v, want error 1235 that names %s", sql, err, want)
		}
	}
}

func TestFunctionTypes(t *testing.T) {
	for sql, want := range map[string]struct {
		typ uint8
		dec uint8
	}{
		"STR_TO_DATE('x', '%Y-%m-%d')": {10, 0}, "STR_TO_DATE('x', '%H:%i')": {11, 0},
		"STR_TO_DATE('x', '%Y %H')": {12, 0}, "STR_TO_DATE('x', '%Y %f')": {12, 6}, "STR_TO_DATE('x', b)": {12, 6},
		"TIDB_PARSE_TSO(1)": {12, 6}, "ADDTIME(NOW(), '1')": {12, 0}, "ADDTIME('1', '1')": {253, 31},
	} {
		r, err := (&Executor{Env: newEnv()}).Describe(context.Background(), parseQuery(t, "SELECT "+sql+" FROM t"))
		if err != nil {
			t.Errorf("%s: %v", sql, err)
		} else if r[0].Type != want.typ || r[0].Decimals != want.dec {
			t.Errorf("%s: type %d with %d decimals, want %v", sql, r[0].Type, r[0].Decimals, want)
		}
	}
}

package engine

import (
	"errors"
	"strings"
	"testing"
)

// TestJSON: what MySQL 8.0 answers.
func TestJSON(t *testing.T) {
	const doc = `'{"b": 2, "aa": "x", "a": {"c": [1, 2.50, "three", null, true]}, "k\\"": "v"}'`
	for expr, want := range map[string]string{
		`JSON_EXTRACT(` + doc + `, '$.b')`:                                           `2`,
		`JSON_EXTRACT(` + doc + `, '$.aa')`:                                          `"x"`,
		`JSON_EXTRACT(` + doc + `, '$')`:                                             `{"a": {"c": [1, 2.5, "three", null, true]}, "b": 2, "aa": "x", "k\"": "v"}`,
		`JSON_EXTRACT(` + doc + `, '$.a.c[1]')`:                                      `2.5`,
		`JSON_EXTRACT(` + doc + `, '$.a.c[last]')`:                                   `true`,
		`JSON_EXTRACT(` + doc + `, '$.a.c[last-2]')`:                                 `"three"`,
		`JSON_EXTRACT(` + doc + `, '$.b', '$.aa')`:                                   `[2, "x"]`,
		`JSON_EXTRACT(` + doc + `, '$.a.c[*]')`:                                      `[1, 2.5, "three", null, true]`,
		`JSON_EXTRACT(` + doc + `, '$.*')`:                                           `[{"c": [1, 2.5, "three", null, true]}, 2, "x", "v"]`,
		`JSON_EXTRACT(` + doc + `, '$**.c[0]')`:                                      `[1]`,
		`JSON_EXTRACT(` + doc + `, '$."k\\""')`:                                      `"v"`,
		`JSON_EXTRACT(` + doc + `, '$.nosuch')`:                                      `NULL`,
		`JSON_EXTRACT(` + doc + `, NULL)`:                                            `NULL`,
		`JSON_EXTRACT('[1,[2,3]]', '$[1][0]')`:                                       `2`,
		`JSON_EXTRACT('5', '$[0]')`:                                                  `5`,
		`JSON_UNQUOTE(JSON_EXTRACT(` + doc + `, '$.aa'))`:                            `x`,
		`JSON_UNQUOTE('"a\\nb\\u00e9"')`:                                             "a\nbé",
		`JSON_UNQUOTE('plain')`:                                                      `plain`,
		`JSON_EXTRACT(` + doc + `, '$.aa') = 'x'`:                                    `1`,
		`JSON_EXTRACT(` + doc + `, '$.aa') = 'X'`:                                    `0`,
		`JSON_EXTRACT(` + doc + `, '$.b') > 1.5`:                                     `1`,
		`JSON_EXTRACT(` + doc + `, '$.aa') LIKE '"x%'`:                               `1`,
		`JSON_VALID('{"a": 1}')`:                                                     `1`,
		`JSON_VALID('{"a": 1')`:                                                      `0`,
		`JSON_VALID('1 2')`:                                                          `0`,
		`JSON_VALID(NULL)`:                                                           `NULL`,
		`JSON_LENGTH(` + doc + `)`:                                                   `4`,
		`JSON_LENGTH(` + doc + `, '$.a.c')`:                                          `5`,
		`JSON_LENGTH('"x"')`:                                                         `1`,
		`JSON_DEPTH('{"a": [1]}')`:                                                   `3`,
		`JSON_TYPE('1')`:                                                             `INTEGER`,
		`JSON_TYPE('1.0')`:                                                           `DOUBLE`,
		`JSON_TYPE('18446744073709551615')`:                                          `UNSIGNED INTEGER`,
		`JSON_KEYS(` + doc + `)`:                                                     `["a", "b", "aa", "k\""]`,
		`JSON_KEYS('[1]')`:                                                           `NULL`,
		`JSON_CONTAINS('[1, 2, [3]]', '[1, 3]')`:                                     `1`,
		`JSON_CONTAINS('[1, 2]', '2')`:                                               `1`,
		`JSON_CONTAINS('{"a": {"b": 1, "c": 2}}', '{"b": 1}', '$.a')`:                `1`,
		`JSON_CONTAINS_PATH('{"a": 1}', 'one', '$.a', '$.b')`:                        `1`,
		`JSON_CONTAINS_PATH('{"a": 1}', 'all', '$.a', '$.b')`:                        `0`,
		`JSON_VALUE(` + doc + `, '$.aa')`:                                            `x`,
		`JSON_QUOTE('a"b\\')`:                                                        `"a\"b\\"`,
		`JSON_QUOTE('\\u2028')`:                                                      `"\\u2028"`,
		`JSON_ARRAY()`:                                                               `[]`,
		`JSON_ARRAY(1, 'a', NULL, TRUE, 1.50, 2e0, JSON_OBJECT())`:                   `[1, "a", null, true, 1.50, 2.0, {}]`,
		`JSON_OBJECT('id', 87, 'a', JSON_ARRAY(1), 'id', 88)`:                        `{"a": [1], "id": 88}`,
		`JSON_EXTRACT('{"a": 1, "a": 2}', '$.a')`:                                    `2`,
		`JSON_LENGTH('` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `')`: `1`,
	} {
		r, err := (&Executor{Env: newEnv()}).Select(t.Context(), parseQuery(t, "SELECT "+expr))
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got := show(r); got != want {
			t.Errorf("%s = %s, want %s", expr, got, want)
		}
	}
}

func TestJSONErrors(t *testing.T) {
	for expr, code := range map[string]uint16{
		`JSON_EXTRACT('{', '$')`:               3141,
		`JSON_EXTRACT('1 2', '$')`:             3141,
		`JSON_EXTRACT(1, '$')`:                 3146,
		`JSON_EXTRACT('1', 'a')`:               3143,
		`JSON_EXTRACT('1', '$.')`:              3143,
		`JSON_EXTRACT('1', '$[')`:              3143,
		`JSON_EXTRACT('1', '$[x]')`:            3143,
		`JSON_EXTRACT('1', '$."a')`:            3143,
		`JSON_EXTRACT('1', '$**')`:             3143,
		`JSON_LENGTH('1', '$.*')`:              3149,
		`JSON_OBJECT('a')`:                     1582,
		`JSON_OBJECT(NULL, 1)`:                 3158,
		`JSON_CONTAINS_PATH('1', 'some', '$')`: 3154,
		`JSON_EXTRACT('1')`:                    1582,
		`JSON_LENGTH('` + strings.Repeat("[", 101) + strings.Repeat("]", 101) + `')`: 3157,
		`JSON_SET('{}', '$.a', 1)`: 1235,
	} {
		_, err := (&Executor{Env: newEnv()}).Select(t.Context(), parseQuery(t, "SELECT "+expr))
		var known *Error
		if !errors.As(err, &known) || known.Code != code {
			t.Errorf("%s: %v, want error %d", expr, err, code)
		}
	}
}

// FuzzJSON: whatever is taken for a document prints as one that means the same, and no
// path does harm.
func FuzzJSON(f *testing.F) {
	f.Add(`{"b": [1, 2.5e3, "x\u00e9\n", null], "a": true}`, `$.b[last-1]`)
	f.Add(`[[[]]]`, `$**[*]."k\""`)
	f.Add(`"\ud800"`, `$ . a [ 0 ]`)
	f.Fuzz(func(t *testing.T, doc, path string) {
		p, perr := parseJSONPath(path)
		n, _, err := parseJSON(doc)
		if err != nil {
			return
		}
		again, _, err := parseJSON(n.String())
		if err != nil || !n.equal(again) || n.String() != again.String() {
			t.Fatalf("%q prints as %q, which is %v, %v", doc, n, again, err)
		}
		if !n.contains(n) {
			t.Fatalf("%q does not contain itself", doc)
		}
		if perr == nil {
			for _, found := range p.find(n) {
				_ = found.String()
			}
		}
	})
}

package engine

import (
	"context"
	"time"

	"github.com/pingcap/tidb/pkg/parser/mysql"
)

// maxSleep bounds SLEEP(); the statement's context may end it sooner.
const maxSleep = time.Minute

// infoFunction finds functions about the session, the server and the expression itself.
func infoFunction(name string) (function, bool) {
	switch name {
	case "version":
		return systemText(26, false, func(e Env) Value { return String(e.Version()) }), true
	case "database", "schema":
		return systemText(64, true, func(e Env) Value {
			if e.Database() == "" {
				return Null()
			}
			return String(e.Database())
		}), true
	case "user", "session_user", "system_user":
		return systemText(384, true, func(e Env) Value { return String(e.User()) }), true
	case "current_user":
		return systemText(384, true, func(e Env) Value { return String(e.CurrentUser()) }), true
	case "current_role":
		return systemText(384, true, func(Env) Value { return Null() }), true
	case "connection_id":
		return sessionNumber(func(e Env) Value { return Uint(uint64(e.ConnectionID())) }), true
	case "last_insert_id":
		return function{0, 1, func(c *compiler, k call) (*expr, error) {
			if len(k.args) > 0 {
				return nil, errNotSupported("LAST_INSERT_ID with an argument")
			}
			return constant(uintType(21), Uint(c.st.x.Env.LastInsertID())), nil
		}}, true
	case "found_rows":
		return sessionNumber(func(e Env) Value { return Int(e.FoundRows()) }), true
	case "row_count":
		return sessionNumber(func(e Env) Value { return Int(e.RowCount()) }), true
	case "charset", "collation":
		return function{1, 1, func(c *compiler, k call) (*expr, error) {
			id, _ := c.textOf(k.args[0].typ)
			if !k.args[0].isText() {
				id = collBinary
			}
			text := collatorByID(id).name
			if k.name == "charset" {
				text = collatorByID(id).charset
			}
			return constant(textType(64, collGeneralCI, coerSystem), String(text)), nil
		}}, true
	case "coercibility":
		return function{1, 1, func(c *compiler, k call) (*expr, error) {
			return constant(intType(10), Int(int64(k.args[0].coer))), nil
		}}, true
	case "sleep":
		return function{1, 1, sleep}, true
	case "benchmark":
		return unsupported("BENCHMARK()"), true
	case "load_file":
		return function{1, 1, func(c *compiler, k call) (*expr, error) {
			return constant(textType(1<<24, collBinary, coerLiteral).nullable(), Null()), nil
		}}, true
	case "get_lock", "release_lock", "release_all_locks", "is_free_lock", "is_used_lock":
		return unsupported("user locks"), true
	}
	return function{}, false
}

func sessionNumber(get func(e Env) Value) function {
	return function{0, 0, func(c *compiler, k call) (*expr, error) {
		v := get(c.st.x.Env)
		t := intType(21)
		t.kind = v.kind
		return constant(t, v), nil
	}}
}

// sleep waits, at most maxSleep, and gives up with the statement's context.
func sleep(c *compiler, k call) (*expr, error) {
	return &expr{typ: intType(1), eval: func(f *frame) (Value, error) {
		v, err := k.args[0].eval(f)
		if err != nil {
			return Null(), err
		}
		secs := v.float(f.warn)
		if v.IsNull() || secs < 0 {
			if mysql.SQLMode(f.st.x.Env.SQLMode()).HasStrictMode() {
				return Null(), errWrongArguments("sleep")
			}
			f.warn(1210, "Incorrect arguments to sleep.")
			return Int(0), nil
		}
		d := maxSleep
		if secs < maxSleep.Seconds() {
			d = time.Duration(secs * float64(time.Second))
		} else {
			f.warn(1105, "SLEEP() is cut to 60 seconds")
		}
		ctx, cancel := context.WithTimeout(f.st.ctx, d)
		defer cancel()
		f.st.x.yield()
		<-ctx.Done()
		if err := f.st.cancelled(); err != nil {
			return Null(), err
		}
		return Int(0), nil
	}}, nil
}

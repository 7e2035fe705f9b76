package infoschema

import (
	"context"
	"slices"
	"strings"
	"time"

	"pumphouse/server/engine"
	"pumphouse/server/session/catalog"
	"pumphouse/server/session/privilege"
	"pumphouse/server/session/result"
	"pumphouse/server/session/sysvar"
)

// The tables outside binlog whose rows depend on the server or the session.

// variableRows gives the tables of variables and counters, which information_schema and
// performance_schema share; nil for every other table.
func (s *Schema) variableRows(table string) result.RowSource {
	switch strings.ToLower(table) {
	case "session_variables":
		return rowList(func(ctx context.Context, add func(...engine.Value)) error { return s.eachVariable(ctx, false, add) })
	case "global_variables":
		return rowList(func(ctx context.Context, add func(...engine.Value)) error { return s.eachVariable(ctx, true, add) })
	case "session_status", "global_status":
		return rowList(s.eachStatus)
	}
	return nil
}

// eachVariable lists the variables. Where PD cannot be asked for a value, it is NULL.
func (s *Schema) eachVariable(ctx context.Context, global bool, add func(...engine.Value)) error {
	for _, v := range sysvar.All() {
		if global && !v.Global {
			continue
		}
		value := engine.Null()
		if text, err := s.own.Vars.Text(ctx, v, global); err == nil {
			value = str(text)
		}
		add(str(v.Name), value)
	}
	return nil
}

// eachStatus lists the server's counters and what TLS the connection has, by name.
func (s *Schema) eachStatus(_ context.Context, add func(...engine.Value)) error {
	status := s.own.Server.Status()
	status["Ssl_cipher"], status["Ssl_version"] = s.own.Account.Cipher, s.own.Account.TLSVersion
	names := make([]string, 0, len(status))
	for name := range status {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		add(str(name), str(status[name]))
	}
	return nil
}

// processes lists the connections that the user may see, by ID. A monitor sees its own
// user's.
func (s *Schema) processes() []Process {
	list := slices.DeleteFunc(s.own.Server.Processes(), func(p Process) bool {
		return s.own.Account.Role != privilege.Admin && p.User != s.own.Account.Name
	})
	slices.SortFunc(list, func(a, b Process) int { return int(int64(a.ID) - int64(b.ID)) })
	return list
}

// since is how long a connection has been doing what it does.
func (s *Schema) since(p Process) int64 { return max(0, int64(s.own.Now().Sub(p.Since)/time.Second)) }

// eachProcess lists connections as SHOW [FULL] PROCESSLIST does.
func (s *Schema) eachProcess(full bool, add func(...engine.Value)) error {
	for _, p := range s.processes() {
		info := p.Info
		if !full {
			info = result.Clip(info, shortInfo)
		}
		add(engine.Int(int64(p.ID)), str(p.User), str(p.Host), result.OrNull(p.DB), str(p.Command), engine.Int(s.since(p)),
			str(p.State), result.OrNull(info))
	}
	return nil
}

func (s *Schema) userPrivilegeRows(_ context.Context, add func(...engine.Value)) error {
	for _, p := range s.own.Account.Privileges() {
		add(str(s.own.Account.Grantee()), str(catalogName), str(p), str("NO"))
	}
	return nil
}

// mysqlRows gives the rows of a table of the database mysql. The only user that a session
// knows is its own; the others stand in the console's configuration.
func (s *Schema) mysqlRows(def *catalog.Table) result.RowSource {
	if def.Name != "user" {
		return nil
	}
	return rowList(func(_ context.Context, add func(...engine.Value)) error {
		have := s.own.Account.Privileges()
		may := func(p string) engine.Value {
			if slices.Contains(have, p) {
				return str("Y")
			}
			return str("N")
		}
		add(rowOf(def, map[string]engine.Value{
			"Host": str("%"), "User": str(s.own.Account.Name), "Select_priv": may("SELECT"), "Reload_priv": may("RELOAD"),
			"Process_priv": may("PROCESS"), "Super_priv": may("SUPER"), "Show_db_priv": str("Y"),
			"authentication_string": str("*not shown"),
		})...)
		return nil
	})
}

// performanceRows gives the rows of a table of performance_schema.
func (s *Schema) performanceRows(def *catalog.Table) result.RowSource {
	switch def.Name {
	case "processlist":
		return rowList(func(_ context.Context, add func(...engine.Value)) error {
			return s.eachProcess(true, func(row ...engine.Value) { add(append(row, engine.Null())...) })
		})
	case "threads":
		return rowList(func(_ context.Context, add func(...engine.Value)) error {
			for _, p := range s.processes() {
				id := engine.Int(int64(p.ID))
				add(rowOf(def, map[string]engine.Value{
					"THREAD_ID": id, "NAME": str("thread/sql/one_connection"), "TYPE": str("FOREGROUND"), "PROCESSLIST_ID": id,
					"PROCESSLIST_USER": str(p.User), "PROCESSLIST_HOST": str(p.Host), "PROCESSLIST_DB": result.OrNull(p.DB),
					"PROCESSLIST_COMMAND": str(p.Command), "PROCESSLIST_TIME": engine.Int(s.since(p)),
					"PROCESSLIST_STATE": result.OrNull(p.State), "PROCESSLIST_INFO": result.OrNull(p.Info), "INSTRUMENTED": str("NO"), "HISTORY": str("NO"),
				})...)
			}
			return nil
		})
	}
	return s.variableRows(def.Name)
}

// rowOf makes a row of the cells that are given and the columns' defaults: what DEFAULT
// says, else NULL, else nothing.
func rowOf(def *catalog.Table, cells map[string]engine.Value) []engine.Value {
	row := make([]engine.Value, len(def.Columns))
	for i := range def.Columns {
		c := &def.Columns[i]
		v, ok := cells[c.Name]
		switch {
		case ok:
			row[i] = v
		case c.Default != nil && c.Precision >= 0:
			row[i] = engine.Int(0) // the only default of numbers
		case c.Default != nil:
			row[i] = str(*c.Default)
		case c.Nullable:
		case c.Precision >= 0:
			row[i] = engine.Int(0)
		default:
			row[i] = str("")
		}
	}
	return row
}

// pluginRows are those of information_schema.PLUGINS.
func pluginRows(_ context.Context, add func(...engine.Value)) error {
	for _, name := range []string{"caching_sha2_password", "mysql_native_password"} {
		add(str(name), str("1.0"), str("ACTIVE"), str("AUTHENTICATION"), str("2.0"), engine.Null(), engine.Null(),
			str("Pumphouse"), str("Authentication of users of the console"), str("Apache License 2.0"), str("FORCE"))
	}
	return nil
}

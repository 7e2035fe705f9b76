package applier

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/charset"
	pmysql "github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/sink/mysql/definition"
	"pumphouse/drainer/sink/mysql/rewrite"
)

// tables reads definitions from the database. It is for one goroutine.
type tables struct {
	db     *sql.DB
	kind   rewrite.Kind
	server definition.Server
	ids    map[string]int64
}

func openTables(ctx context.Context, at mysql.Server) (*tables, error) {
	db, err := at.Pool(nil)
	if err != nil {
		return nil, err
	}
	var version string
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		db.Close()
		return nil, fmt.Errorf("connect to %s: %w", at, err)
	}
	t := &tables{db: db, kind: rewrite.ParseServer(version).Kind, ids: map[string]int64{}}
	if t.server, err = definition.Open(ctx, db, definition.Flavour(t.kind)); err != nil {
		db.Close()
		return nil, err
	}
	return t, nil
}

// find is a table as the database has it: without columns if there is none. The error is the database's.
func (t *tables) find(ctx context.Context, schemaName, name string) (*schema.Table, error) {
	id := schemaName + "\x00" + name
	if t.ids[id] == 0 {
		t.ids[id] = int64(len(t.ids) + 1)
	}
	out := &schema.Table{ID: t.ids[id], Schema: schemaName, Name: name}
	def, err := t.server.Read(ctx, t.db, schemaName, name)
	if err != nil || def == nil {
		return out, err
	}
	at := make(map[string]int, len(def.Columns))
	for i := range def.Columns {
		at[strings.ToLower(def.Columns[i].Name)] = i
		out.Columns = append(out.Columns, column(&def.Columns[i]))
	}
	for _, k := range def.Keys {
		if k.Primary || k.Unique {
			out.Keys = append(out.Keys, key(&k, at, def.Columns))
		}
	}
	return out, nil
}

// key is a key of a table whose columns are at some places.
func key(k *definition.Key, at map[string]int, columns []definition.Column) schema.Key {
	out := schema.Key{Name: k.Name, Primary: k.Primary}
	for _, p := range k.Parts {
		i, ok := at[strings.ToLower(p.Column)]
		if !ok || columns[i].Generated != "" && !columns[i].Stored {
			return schema.Key{Name: k.Name, Primary: k.Primary, Virtual: true}
		}
		// Files leave generated columns out of updates, so such a key does not tell everything.
		out.Virtual = out.Virtual || columns[i].Generated != ""
		out.Columns = append(out.Columns, i)
		out.Prefix = out.Prefix || p.Length > 0
	}
	return out
}

// column is a column as sinks need it.
func column(c *definition.Column) schema.Column {
	ft := types.NewFieldType(types.StrToType(c.Type.Base))
	ft.SetCharset(charset.CharsetUTF8MB4)
	if strings.Contains(c.Type.Base, "binary") || strings.HasSuffix(c.Type.Base, "blob") {
		ft.SetCharset(charset.CharsetBin)
	}
	if c.Type.Unsigned {
		ft.AddFlag(pmysql.UnsignedFlag)
	}
	if !c.Null {
		ft.AddFlag(pmysql.NotNullFlag)
	}
	if c.AutoIncrement {
		ft.AddFlag(pmysql.AutoIncrementFlag)
	}
	ft.SetElems(c.Type.Elements)
	out := schema.Column{Name: c.Name, Type: *ft, Public: true, Generated: c.Generated != "", Stored: c.Stored}
	if c.Default.Kind != definition.NoDefault {
		out.Default = c.Default.Text // that there is one is what counts
	}
	return out
}

// there reports whether the database has a table, view or sequence of a name.
func (t *tables) there(ctx context.Context, schemaName, name string) (bool, error) {
	var n int
	err := t.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?", schemaName, name).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look for the table %s.%s: %w", schemaName, name, err)
	}
	return n > 0, nil
}

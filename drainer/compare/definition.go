package compare

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"pumphouse/drainer/sink/mysql/definition"
)

// definitions compares the definitions of tables.
type definitions struct {
	up, down     *sql.DB
	upstream, of definition.Server // of: the downstream
	partial      bool
}

func openDefinitions(ctx context.Context, o Options) (d definitions, err error) {
	d = definitions{up: o.Upstream, down: o.Downstream, partial: o.Partial}
	var version string
	if err := d.down.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return d, fmt.Errorf("ask the downstream what it is: %w", err)
	}
	flavour := definition.MySQL
	switch {
	case strings.Contains(version, "TiDB"):
		flavour = definition.TiDB
	case strings.Contains(version, "MariaDB"):
		flavour = definition.MariaDB
	}
	if d.of, err = definition.Open(ctx, d.down, flavour); err != nil {
		return d, fmt.Errorf("downstream: %w", err)
	}
	if d.upstream, err = definition.Open(ctx, d.up, definition.TiDB); err != nil {
		return d, fmt.Errorf("upstream: %w", err)
	}
	return d, nil
}

// differences are those of a table's definition, a phrase each. Keys that only the downstream has change no
// row: operators make them for queries.
func (d *definitions) differences(ctx context.Context, up, down *relation) (list []string, err error) {
	want, err := d.upstream.Read(ctx, d.up, up.schema, up.name)
	if err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	got, err := d.of.Read(ctx, d.down, down.schema, down.name)
	if err != nil {
		return nil, fmt.Errorf("downstream: %w", err)
	}
	for _, x := range d.of.Compare(want, got) {
		presence := x.Aspect == "presence"
		switch {
		case presence && x.Want == "" && strings.HasPrefix(x.Object, "key "):
		case x.Aspect == "type" && x.Got == x.Want+" zerofill": // TiDB's information_schema does not tell it
		case d.partial && presence && strings.HasPrefix(x.Object, "column "):
		case d.partial && x.Aspect == "order of columns":
		default:
			list = append(list, x.String())
		}
	}
	return list, nil
}

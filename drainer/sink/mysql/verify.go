package mysql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink/mysql/definition"
)

// expectation is what a statement of DDL is to leave under a name downstream.
type expectation struct {
	name tableName // downstream
	// before and after are what has the name upstream before and after the statement; nil: nothing.
	before, after *definition.Table
	// from is what after was before the statement, and its name then; nil: the statement makes it.
	from     *definition.Table
	fromName tableName
	renamed  map[string]string // columns of after, see definition.Renamed
}

// expect is what a statement that names some tables is to leave under their names: nothing when the
// definitions do not tell.
func expect(d *schema.DDL, named []tableName, f flavour) []expectation {
	var list []expectation
	at := make(map[tableName]int)
	of := func(n tableName) *expectation {
		i, ok := at[n.lower()]
		if !ok {
			i = len(list)
			at[n.lower()] = i
			list = append(list, expectation{name: n})
		}
		return &list[i]
	}
	changes := d.Changes()
	if d.TablesAfter == nil && d.After != nil { // a part of a statement, of which the filters leave out others
		changes = []schema.TableChange{{Before: d.Before, After: d.After}}
	}
	for _, c := range changes {
		if !compared(d, c, f) {
			continue
		}
		was, is := route(d, c.Before), route(d, c.After)
		if c.Before != nil && mentions(named, was) {
			of(was).before = define(d, c.Before)
		}
		if c.After == nil || !mentions(named, is) {
			continue
		}
		e := of(is)
		e.name, e.after = is, define(d, c.After)
		if c.Before != nil {
			e.from, e.fromName = define(d, c.Before), was
			e.renamed = definition.Renamed(columnNames(c.Before), columnNames(c.After))
		}
	}
	return list
}

// compared reports whether the downstream can have what a job changed, and the definitions are
// those that the job left: a history read ahead has newer ones.
func compared(d *schema.DDL, c schema.TableChange, f flavour) bool {
	for _, t := range []*schema.Table{c.Before, c.After} {
		switch {
		case t == nil:
		case t.Info == nil, t.Kind == schema.TemporaryTable, t.Kind == schema.Sequence && f != tiDB:
			return false
		}
	}
	return c.After == nil || d.Job != nil && c.After.Version == d.Job.Result.SchemaVersion
}

// route is a table's name downstream.
func route(d *schema.DDL, t *schema.Table) tableName {
	if t == nil {
		return tableName{}
	}
	return routeName(d, t.Schema, t.Name)
}

func routeName(d *schema.DDL, schema, table string) tableName {
	if d.Route != nil {
		schema, table = d.Route(schema, table)
	}
	return tableName{schema, table}
}

// define is a table's definition under the names that the downstream has.
func define(d *schema.DDL, t *schema.Table) *definition.Table {
	def := definition.Of(t)
	n := route(d, t)
	def.Schema, def.Name = n.schema, n.table
	for i := range def.ForeignKeys {
		f := &def.ForeignKeys[i]
		to := routeName(d, f.RefSchema, f.RefTable)
		f.RefSchema, f.RefTable = to.schema, to.table
	}
	return def
}

func columnNames(t *schema.Table) map[int64]string {
	names := make(map[int64]string, len(t.Columns))
	for i := range t.Columns {
		names[t.Columns[i].ID] = t.Columns[i].Name
	}
	return names
}

func (n tableName) lower() tableName {
	return tableName{strings.ToLower(n.schema), strings.ToLower(n.table)}
}

func mentions(named []tableName, n tableName) bool {
	return slices.ContainsFunc(named, func(o tableName) bool { return o.lower() == n.lower() })
}

// snapshot are definitions of the downstream; nil: there is no such table.
type snapshot map[tableName]*definition.Table

// look reads what the downstream has under the names of expectations.
func (w *worker) look(list []expectation) (snapshot, error) {
	s := make(snapshot)
	for i := range list {
		for _, n := range []tableName{list[i].name, list[i].fromName} {
			if _, ok := s[n]; ok || n.table == "" {
				continue
			}
			t, err := w.definitions.Read(w.ctx, w.server.db, n.schema, n.table)
			if err != nil {
				return nil, err
			}
			s[n] = t
		}
	}
	return s, nil
}

// standing are the differences that there are before a statement, by the name that its table is to have.
func (w *worker) standing(list []expectation, now snapshot) map[string][]definition.Difference {
	all := make(map[string][]definition.Difference)
	for i := range list {
		if e := &list[i]; e.from != nil {
			if found := w.definitions.Compare(e.from, now[e.fromName]); len(found) > 0 {
				all[e.name.String()] = found
			}
		}
	}
	return all
}

// verdict finds out whether a statement has been run, by what it changes in definitions.
func (w *worker) verdict(list []expectation, now snapshot) definition.Verdict {
	verdict := definition.Silent
	for i := range list {
		e := &list[i]
		verdict = verdict.And(w.definitions.Judge(e.before, e.after, now[e.name]))
	}
	return verdict
}

// verify compares what a statement has left with what it was to leave. Differences that were standing
// before it are said once, others end the sink, unless they are only to be said as well.
func (w *worker) verify(j *job, st statement, standing map[string][]definition.Difference) error {
	list := st.leaves
	now, err := w.look(list)
	if err != nil {
		return fmt.Errorf("look at the definitions after DDL: %w", err)
	}
	var bad *DefinitionError
	for i := range list {
		e := &list[i]
		fresh, old := w.definitions.New(e.from, e.after, now[e.name], standing[e.name.String()], e.renamed)
		log := w.opts.Logger.WithFields(logrus.Fields{"commit_ts": j.txn.CommitTS, "table": e.name.String()})
		if len(old) > 0 && w.sayOnce(e.name) {
			log.WithField("differences", phrases(old)).Warn("this table was defined otherwise downstream than upstream already before a statement of DDL, which did not change that")
		}
		if len(fresh) == 0 {
			continue
		}
		if w.opts.WarnOfDefinitions {
			log.WithFields(logrus.Fields{"differences": phrases(fresh), "query": shorten([]byte(st.text))}).Error(
				"after a statement of DDL this table is not downstream as it is upstream; going on, as ddl-check = \"warn\" says")
			continue
		}
		if bad == nil {
			bad = &DefinitionError{CommitTS: j.txn.CommitTS, Statement: shorten([]byte(st.text)), rows: j.txn.Rows() > 0, program: w.opts.Program}
		}
		bad.Tables = append(bad.Tables, TableDifference{Table: e.name.String(), Differences: fresh,
			Upstream: clip(e.after.String()), Downstream: clip(now[e.name].String())})
	}
	if bad != nil {
		return bad
	}
	return nil
}

// sayOnce reports whether nothing has been said yet of a table's standing differences.
func (s *Sink) sayOnce(n tableName) bool {
	_, said := s.said.LoadOrStore(n, true)
	return !said
}

func phrases(list []definition.Difference) []string {
	var all []string
	for _, d := range list {
		all = append(all, d.String())
	}
	return all
}

// clip bounds what of a definition is in errors.
func clip(text string) string {
	const most = 4096
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// String is the name in the form in which the sink's errors and logs have it.
func (n tableName) String() string { return n.schema + "." + n.table }

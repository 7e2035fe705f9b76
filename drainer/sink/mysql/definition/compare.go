package definition

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pumphouse/drainer/schema"
)

// Difference is a property of a table that is not the same in two definitions.
type Difference struct {
	Object string `json:"object"` // "column `a`", "key `k`", "the table"
	Aspect string `json:"aspect"` // "type", "default", …; "presence" when one of them has not got it at all
	// Want and Got are the property upstream and downstream; empty when there is none.
	Want string `json:"want,omitempty"`
	Got  string `json:"got,omitempty"`
}

// presence is the aspect of what only one of two definitions has.
const presence = "presence"

// String tells an operator the difference in one phrase.
func (d Difference) String() string {
	switch {
	case d.Aspect != presence:
		return fmt.Sprintf("%s: %s is %s upstream, %s downstream", d.Object, d.Aspect, shown(d.Want), shown(d.Got))
	case d.Got == "":
		return fmt.Sprintf("%s is missing downstream: %s", d.Object, d.Want)
	}
	return fmt.Sprintf("%s is only downstream: %s", d.Object, d.Got)
}

func shown(value string) string {
	if value == "" {
		return "none"
	}
	return value
}

// Is reports whether two differences are about the same property.
func (d Difference) Is(other Difference) bool {
	return strings.EqualFold(d.Object, other.Object) && d.Aspect == other.Aspect
}

// Same reports whether two differences say the same; of what only one side has it is enough that
// they are about the same object.
func (d Difference) Same(other Difference) bool {
	if !d.Is(other) {
		return false
	}
	if d.Aspect == presence {
		return (d.Want == "") == (other.Want == "")
	}
	return d.Want == other.Want && d.Got == other.Got
}

// comparison collects differences.
type comparison struct {
	Server
	want, got *Table
	found     []Difference
}

// Compare gives the differences of two definitions: want is the upstream's, got that of this server.
// Nil is no table. None: got is as it should be.
func (s Server) Compare(want, got *Table) []Difference {
	c := &comparison{Server: s, want: want, got: got}
	switch {
	case want == nil && got == nil:
	case want == nil:
		c.differ("the table", presence, "", got.String())
	case got == nil:
		c.differ("the table", presence, want.String(), "")
	case want.Kind != got.Kind:
		c.differ("the table", "kind", string(want.Kind), string(got.Kind))
	case want.Kind == BaseTable:
		c.columns()
		c.keys()
		c.foreignKeys()
		c.partitioning()
		c.comment("the table", want.Comment, got.Comment)
		if !transactional(got.Engine) {
			c.differ("the table", "engine", "InnoDB", got.Engine)
		}
	}
	return c.found
}

func (c *comparison) differ(object, aspect, want, got string) {
	c.found = append(c.found, Difference{object, aspect, want, got})
}

// transactional reports whether an engine can undo what was not committed, as far as is known.
func transactional(engine string) bool {
	switch strings.ToLower(engine) {
	case "myisam", "aria", "memory", "csv", "archive", "blackhole", "mrg_myisam", "federated":
		return false
	}
	return true
}

// columns compares the columns and their order.
func (c *comparison) columns() {
	var wantOrder, gotOrder []string
	for i := range c.want.Columns {
		w := &c.want.Columns[i]
		g := c.got.column(w.Name)
		if g == nil {
			c.differ("column "+schema.QuoteName(w.Name), presence, w.describe(), "")
			continue
		}
		wantOrder = append(wantOrder, strings.ToLower(w.Name))
		c.column(w, g)
	}
	for i := range c.got.Columns {
		g := &c.got.Columns[i]
		if c.want.column(g.Name) == nil {
			c.differ("column "+schema.QuoteName(g.Name), presence, "", g.describe())
			continue
		}
		gotOrder = append(gotOrder, strings.ToLower(g.Name))
	}
	if !slices.Equal(wantOrder, gotOrder) {
		c.differ("the table", "order of columns", strings.Join(wantOrder, ", "), strings.Join(gotOrder, ", "))
	}
}

func (t *Table) column(name string) *Column {
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return strings.EqualFold(c.Name, name) })
	if i < 0 {
		return nil
	}
	return &t.Columns[i]
}

func (c *comparison) column(w, g *Column) {
	object := "column " + schema.QuoteName(w.Name)
	w = c.printed(w)
	if !c.sameShape(w.Type, g.Type) {
		c.differ(object, "type", w.Type.shape(), g.Type.shape())
	} else if !c.sameCollation(w.Type, g.Type) {
		c.differ(object, "collation", w.Type.Collation, g.Type.Collation)
	}
	differ := func(aspect string, want, got bool) {
		if want != got {
			c.differ(object, aspect, yes(want), yes(got))
		}
	}
	differ("NULL allowed", w.Null, g.Null)
	if !w.AutoIncrement || c.flavour == TiDB || c.want.begunBy(w.Name) { // else others cannot have it
		differ("AUTO_INCREMENT", w.AutoIncrement, g.AutoIncrement)
	}
	differ("ON UPDATE CURRENT_TIMESTAMP", w.OnUpdate, g.OnUpdate)
	differ("generated", w.Generated != "", g.Generated != "")
	if w.Generated != "" && g.Generated != "" {
		differ("stored", w.Stored, g.Stored)
		if !c.sameExpression(w.Generated, g.Generated) {
			c.differ(object, "expression", w.Generated, g.Generated)
		}
	}
	if !c.sameDefault(w, g) {
		c.differ(object, "default", w.Default.String(), g.Default.String())
	}
	c.comment(object, w.Comment, g.Comment)
}

func (c *comparison) comment(object, want, got string) {
	if c.flavour != TiDB {
		want = schema.OldUTF8(want, "?")
	}
	if want != got {
		c.differ(object, "comment", fmt.Sprintf("%q", want), fmt.Sprintf("%q", got))
	}
}

// printed is a column as the server's information_schema can print it, which has the old utf8 in others than TiDB.
func (c *comparison) printed(w *Column) *Column {
	if c.flavour == TiDB {
		return w
	}
	p := *w
	p.Default.Text = schema.OldUTF8(p.Default.Text, "?")
	p.Type.Elements = slices.Clone(p.Type.Elements)
	for i, e := range p.Type.Elements {
		p.Type.Elements[i] = schema.OldUTF8(e, "?")
	}
	return &p
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func (c *comparison) sameShape(w, g Type) bool {
	switch {
	case w.Base == "json" && g.Base == "longtext" && c.flavour == MariaDB:
		return true
	case capacity(w.Base) > 0 && w.Length > 0 && capacity(g.Base) > 0:
		// TEXT(10): some servers keep that, others take the smallest type that holds it, in bytes.
		return w.Base == g.Base || strings.HasSuffix(w.Base, "text") == strings.HasSuffix(g.Base, "text") &&
			holds(int64(w.Length)) <= capacity(g.Base) && capacity(g.Base) <= holds(4*int64(w.Length))
	case w.Base != g.Base || w.Unsigned != g.Unsigned || w.Zerofill != g.Zerofill && c.flavour != TiDB:
		return false
	case capacity(w.Base) > 0:
		return true
	}
	return w.Length == g.Length && w.Decimals == g.Decimals && slices.Equal(w.Elements, g.Elements)
}

// holds is the capacity of the smallest type that holds so many bytes.
func holds(length int64) int64 {
	for _, base := range []string{"tinyblob", "blob", "mediumblob"} {
		if length <= capacity(base) {
			return capacity(base)
		}
	}
	return capacity("longblob")
}

func (c *comparison) sameCollation(w, g Type) bool {
	if w.Collation == "" || g.Collation == "" {
		return true
	}
	wanted := lowerUTF8(w.Collation)
	return wanted == lowerUTF8(g.Collation) ||
		w.Charset == "latin1" && g.Collation == "utf8mb4_bin" && c.flavour != TiDB ||
		!c.collations[wanted] && lowerUTF8(w.Charset) == lowerUTF8(g.Charset)
}

func (c *comparison) sameExpression(w, g string) bool {
	isColumn := func(name string) bool { return c.want.column(name) != nil || c.got.column(name) != nil }
	return w == g || slices.Equal(essence(w, isColumn), essence(g, isColumn))
}

func (c *comparison) sameDefault(w, g *Column) bool {
	wd, gd := w.Default, g.Default
	switch {
	case wd.Kind == unknown || gd.Kind == unknown:
		return true
	case wd.Kind == Expression && c.flavour != TiDB && isSequence(wd.Text):
		return true // they have no such default
	case wd.Kind == Expression && gd.Kind == NoDefault && c.flavour == MySQL && c.got.plain:
		return true // MySQL 5.7 neither
	case wd.Kind == NoDefault && gd.Kind == Literal && c.flavour == MariaDB && w.OnUpdate && strings.HasPrefix(gd.Text, "0000-00-00 00:00:00"):
		return true // MariaDB gives it to every TIMESTAMP with ON UPDATE; no row uses it
	case capacity(w.Type.Base) > 0 && wd == (Default{Literal, ""}) && gd.Kind == NoDefault:
		return true
	case wd.Kind == Expression && gd.Kind == Literal && c.flavour == TiDB,
		wd.Kind == Expression && gd.Kind == Expression:
		return c.sameExpression(wd.Text, gd.Text)
	case wd.Kind != gd.Kind:
		return false
	case wd.Kind != Literal:
		return true
	}
	want, got := literal(w.Type, wd.Text), literal(w.Type, gd.Text)
	return want == got || c.flavour == MySQL && w.Type.Base == "timestamp" && zoned(want, got)
}

// isSequence reports whether a default is the next value of a sequence.
func isSequence(expression string) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimLeft(expression, "( ")), "nextval(")
}

// keys compares the keys: by name, as they are dropped by it.
func (c *comparison) keys() {
	for i := range c.want.Keys {
		w := &c.want.Keys[i]
		if c.got.plain && w.onExpression() {
			continue
		}
		g := c.got.key(w)
		if g == nil {
			if !c.replaced(w) {
				c.differ(w.object(), presence, w.String(), "")
			}
			continue
		}
		if w.Unique != g.Unique || !c.sameParts(w.Parts, g.Parts) {
			c.differ(w.object(), "definition", w.String(), g.String())
		}
	}
	for i := range c.got.Keys {
		g := &c.got.Keys[i]
		if c.want.key(g) == nil && !c.implied(g) {
			c.differ(g.object(), presence, "", g.String())
		}
	}
}

func (k *Key) object() string {
	if k.Primary {
		return "the primary key"
	}
	return "key " + schema.QuoteName(k.Name)
}

// key finds the key of the same name.
func (t *Table) key(k *Key) *Key {
	i := slices.IndexFunc(t.Keys, func(o Key) bool { return o.Primary == k.Primary && strings.EqualFold(o.Name, k.Name) })
	if i < 0 {
		return nil
	}
	return &t.Keys[i]
}

func (c *comparison) sameParts(w, g []Part) bool {
	return slices.EqualFunc(w, g, func(a, b Part) bool {
		if a.Expression != "" || b.Expression != "" {
			return a.Expression != "" && b.Expression != "" && c.sameExpression(a.Expression, b.Expression)
		}
		return strings.EqualFold(a.Column, b.Column) && a.Length == b.Length
	})
}

// replaced reports whether a key that is missing is one for a foreign key that has another one now.
func (c *comparison) replaced(k *Key) bool {
	return !k.Unique && slices.ContainsFunc(c.want.ForeignKeys, func(f ForeignKey) bool {
		return k.begins(f.Columns) && len(k.Parts) == len(f.Columns) &&
			slices.ContainsFunc(c.got.Keys, func(o Key) bool { return o.begins(f.Columns) })
	})
}

// implied reports whether a key is one that the server has made for a foreign key.
func (c *comparison) implied(k *Key) bool {
	return !k.Unique && slices.ContainsFunc(c.got.ForeignKeys, func(f ForeignKey) bool {
		return k.begins(f.Columns) && len(k.Parts) == len(f.Columns)
	})
}

// begunBy reports whether a key begins with a column.
func (t *Table) begunBy(name string) bool {
	return slices.ContainsFunc(t.Keys, func(k Key) bool { return k.begins([]string{name}) })
}

// begins reports whether a key begins with columns, in their order.
func (k *Key) begins(columns []string) bool {
	if len(k.Parts) < len(columns) {
		return false
	}
	for i, name := range columns {
		if k.Parts[i].Length > 0 || !strings.EqualFold(k.Parts[i].Column, name) {
			return false
		}
	}
	return true
}

// foreignKeys compares them by what they say: servers name them in ways of their own.
func (c *comparison) foreignKeys() {
	left := slices.Clone(c.got.ForeignKeys)
	for i := range c.want.ForeignKeys {
		w := &c.want.ForeignKeys[i]
		j := slices.IndexFunc(left, func(g ForeignKey) bool { return c.sameForeignKey(w, &g) })
		switch {
		case j >= 0:
			left = slices.Delete(left, j, j+1)
		case !w.inert:
			c.differ("foreign key on "+names(w.Columns), presence, w.String(), "")
		}
	}
	for i := range left {
		c.differ("foreign key on "+names(left[i].Columns), presence, "", left[i].String())
	}
}

func (c *comparison) sameForeignKey(w, g *ForeignKey) bool {
	return slices.EqualFunc(w.Columns, g.Columns, strings.EqualFold) && slices.EqualFunc(w.RefColumns, g.RefColumns, strings.EqualFold) &&
		strings.EqualFold(w.RefTable, g.RefTable) && (c.flavour == TiDB || strings.EqualFold(w.RefSchema, g.RefSchema)) &&
		(g.rulesUnknown || w.OnDelete == g.OnDelete && w.OnUpdate == g.OnUpdate)
}

func (c *comparison) partitioning() {
	w, g := c.want.Partitioning, c.got.Partitioning
	switch {
	case c.want.inertPartitions || w == nil && g == nil:
	case w == nil:
		c.differ("partitioning", presence, "", g.String())
	case g == nil:
		c.differ("partitioning", presence, w.String(), "")
	case !strings.HasSuffix(g.Method, w.Method) ||
		w.Expression != "" && g.Expression != "" && !c.sameExpression(w.Expression, g.Expression):
		c.differ("partitioning", "method", w.Method+" ("+w.Expression+")", g.Method+" ("+g.Expression+")")
	case !slices.EqualFunc(w.Partitions, g.Partitions, func(a, b Partition) bool { return c.samePartition(w.Method, a, b) }):
		c.differ("partitioning", "partitions", w.String(), g.String())
	}
}

func (c *comparison) samePartition(method string, w, g Partition) bool {
	if !strings.EqualFold(w.Name, g.Name) {
		return false
	}
	want, known := values(w.Values, method == "RANGE")
	got, plain := values(g.Values, method == "RANGE")
	if c.flavour == MariaDB && slices.Contains(want, "default") && len(got) == 1 {
		// It says 0 for the partition of all other values, and MAXVALUE where values are by COLUMNS.
		return got[0] == "0" || got[0] == "maxvalue" || got[0] == "default"
	}
	return !known || !plain || slices.EqualFunc(want, got, func(a, b string) bool {
		return a == b || c.flavour == MariaDB && method == "RANGE" && signed(a) == b // it prints every bound so
	})
}

// signed is a whole number as 64 bits with a sign show it.
func signed(number string) string {
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return number
	}
	return strconv.FormatInt(int64(n), 10)
}

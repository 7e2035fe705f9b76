package rewrite

import (
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/charset"

	"pumphouse/drainer/schema"
)

// databaseOptions leaves the character set and collation of a database, which are always said.
func (r *rewriter) databaseOptions(list []*ast.DatabaseOption, create bool) []*ast.DatabaseOption {
	list = slices.DeleteFunc(list, func(o *ast.DatabaseOption) bool {
		return o.Tp != ast.DatabaseOptionCharset && o.Tp != ast.DatabaseOptionCollate
	})
	find := func(tp ast.DatabaseOptionType) string {
		if i := slices.IndexFunc(list, func(o *ast.DatabaseOption) bool { return o.Tp == tp }); i >= 0 {
			return list[i].Value
		}
		return ""
	}
	set, collation := find(ast.DatabaseOptionCharset), find(ast.DatabaseOptionCollate)
	if !create && set == "" && collation == "" {
		return nil
	}
	if collation == "" {
		collation = collationOf(set)
	}
	var info *schema.DBInfo
	if r.d.Job != nil {
		info = r.d.Job.Result.DBInfo
	}
	switch {
	case info != nil && info.Charset != "" && info.Collate != "":
		set, collation = info.Charset, info.Collate
	case set == "" && collation == "":
		set, collation = charset.GetDefaultCharsetAndCollate()
	case set == "":
		set, _, _ = strings.Cut(collation, "_")
	}
	if to := r.to.collation(collation); to != collation {
		r.warn("the database has the collation %s, %s has no %s", to, r.to, collation)
		collation = to
	}
	list = []*ast.DatabaseOption{{Tp: ast.DatabaseOptionCharset, Value: set}}
	if collation != "" {
		list = append(list, &ast.DatabaseOption{Tp: ast.DatabaseOptionCollate, Value: collation})
	}
	return list
}

func (r *rewriter) createTable(n *ast.CreateTableStmt) error {
	if like := r.d.Like; like[1] != "" && r.to.Kind == TiDB && r.d.Route == nil {
		*n = ast.CreateTableStmt{Table: n.Table, ReferTable: &ast.TableName{Schema: ast.NewCIStr(like[0]), Name: ast.NewCIStr(like[1])}}
		return nil
	}
	for _, def := range n.Cols {
		if err := r.column(def); err != nil {
			return err
		}
	}
	r.nameKeys(n.Constraints)
	r.nameColumnKeys(n)
	var kept []*ast.Constraint
	for _, c := range n.Constraints {
		if !r.constraint(c) {
			continue
		}
		own, err := r.keyIndex(c, n.Constraints)
		if err != nil {
			return err
		}
		kept = append(kept, own...)
		kept = append(kept, c)
	}
	checks, err := r.addedChecks()
	if err != nil {
		return err
	}
	n.Constraints = append(kept, checks...)
	n.Options = r.tableOptions(n.Options, r.known())
	if r.to.Kind == TiDB {
		r.clustered(n)
	} else {
		n.SplitIndex = nil
	}
	n.Partition, err = r.partitionBy(n.Partition)
	return err
}

// clustered says of what kind the primary key is upstream: TiDBs have different defaults.
func (r *rewriter) clustered(n *ast.CreateTableStmt) {
	if !r.known() {
		return
	}
	kind := ast.PrimaryKeyTypeNonClustered
	if r.d.After.Handle != schema.RowIDHandle {
		kind = ast.PrimaryKeyTypeClustered
	}
	for _, c := range n.Constraints {
		if c.Tp == ast.ConstraintPrimaryKey {
			if c.Option == nil {
				c.Option = &ast.IndexOption{}
			}
			c.Option.PrimaryKeyTp = kind
		}
	}
	for _, def := range n.Cols {
		for _, o := range def.Options {
			if o.Tp == ast.ColumnOptionPrimaryKey {
				o.PrimaryKeyTp = kind
			}
		}
	}
}

// tableOptions leaves those that the server is to have. whole: the character set and collation are
// taken from the definition.
func (r *rewriter) tableOptions(list []*ast.TableOption, whole bool) []*ast.TableOption {
	list = slices.DeleteFunc(list, func(o *ast.TableOption) bool {
		switch o.Tp {
		case ast.TableOptionCharset, ast.TableOptionCollate:
			if strings.EqualFold(o.StrValue, charset.CharsetLatin1) {
				o.UintValue = ast.TableOptionCharsetWithoutConvertTo // in TiDB the columns are latin1 already; here some may be wider
			}
			return whole && r.d.After.Info.Charset != ""
		case ast.TableOptionComment:
			if whole {
				return true
			}
			if r.known() {
				o.StrValue = r.d.After.Info.Comment // as the client's sql_mode has it
			}
			o.StrValue = r.comment(o.StrValue)
		case ast.TableOptionAutoIncrement:
			if r.to.Kind != TiDB {
				o.BoolValue = false // FORCE
			}
		case ast.TableOptionPlacementPolicy, ast.TableOptionEngine, ast.TableOptionTTLEnable: // it is off wherever there is TTL
			return true
		default:
			return r.to.Kind != TiDB
		}
		return false
	})
	if whole && r.d.After.Info.Charset != "" {
		list = append(list, &ast.TableOption{Tp: ast.TableOptionCharset, StrValue: r.d.After.Info.Charset})
		if collation := r.d.After.Info.Collate; collation != "" {
			list = append(list, &ast.TableOption{Tp: ast.TableOptionCollate, StrValue: collation})
		}
	}
	if whole && r.d.After.Info.Comment != "" {
		list = append(list, &ast.TableOption{Tp: ast.TableOptionComment, StrValue: r.comment(r.d.After.Info.Comment)})
	}
	return r.tableCollation(list)
}

// tableCollation puts TiDB's collation beside a character set that has none, since servers do not
// agree on it.
func (r *rewriter) tableCollation(list []*ast.TableOption) []*ast.TableOption {
	if r.to.Kind == TiDB {
		return list
	}
	is := func(tp ast.TableOptionType) func(*ast.TableOption) bool {
		return func(o *ast.TableOption) bool { return o.Tp == tp }
	}
	i, j := slices.IndexFunc(list, is(ast.TableOptionCharset)), slices.IndexFunc(list, is(ast.TableOptionCollate))
	switch {
	case j >= 0:
		if to := r.to.collation(list[j].StrValue); to != list[j].StrValue {
			r.warn("the table has the collation %s, %s has no %s", to, r.to, list[j].StrValue)
			list[j].StrValue = to
		}
	case i >= 0 && list[i].Default && r.known() && r.d.After.Info.Charset != "":
		list[i].Default, list[i].StrValue = false, r.d.After.Info.Charset
		return slices.Insert(list, i+1, &ast.TableOption{Tp: ast.TableOptionCollate, StrValue: r.to.collation(r.d.After.Info.Collate)})
	case i >= 0 && !list[i].Default && collationOf(list[i].StrValue) != "":
		return slices.Insert(list, i+1, &ast.TableOption{Tp: ast.TableOptionCollate, StrValue: r.to.collation(collationOf(list[i].StrValue))})
	}
	return list
}

// constraint makes a key one for the server, and reports whether there is anything to be made.
func (r *rewriter) constraint(c *ast.Constraint) bool {
	switch c.Tp {
	case ast.ConstraintCheck: // see checks
		return false
	case ast.ConstraintForeignKey:
		return true
	case ast.ConstraintFulltext, ast.ConstraintVector, ast.ConstraintColumnar:
		return r.to.Kind == TiDB
	}
	return r.index(c.Name, c.Keys, c.Option)
}

// nameKeys gives indexes without a name the one they have upstream: servers number names otherwise.
func (r *rewriter) nameKeys(list []*ast.Constraint) {
	for _, c := range list {
		unique := c.Tp == ast.ConstraintUniq || c.Tp == ast.ConstraintUniqKey || c.Tp == ast.ConstraintUniqIndex
		if c.Name == "" && (unique || c.Tp == ast.ConstraintKey || c.Tp == ast.ConstraintIndex) {
			c.Name = r.keyName(unique, c.Keys, list)
		}
	}
}

// nameColumnKeys makes UNIQUE of a column a key of the table where that has not the column's name upstream: TiDB names
// the keys of the table first.
func (r *rewriter) nameColumnKeys(n *ast.CreateTableStmt) {
	for _, def := range n.Cols {
		i := slices.IndexFunc(def.Options, isOption(ast.ColumnOptionUniqKey))
		if i < 0 {
			continue
		}
		parts := []*ast.IndexPartSpecification{{Column: &ast.ColumnName{Name: def.Name.Name}}}
		if name := r.keyName(true, parts, n.Constraints); name != "" && !strings.EqualFold(name, def.Name.Name.O) {
			def.Options = slices.Delete(def.Options, i, i+1)
			n.Constraints = append(n.Constraints, &ast.Constraint{Tp: ast.ConstraintUniq, Name: name, Keys: parts})
		}
	}
}

// keyName is the name upstream of an index on these columns that neither the statement's other keys nor the table had before; "" if it
// is not known.
func (r *rewriter) keyName(unique bool, parts []*ast.IndexPartSpecification, beside []*ast.Constraint) string {
	if !r.known() {
		return ""
	}
	taken := func(x *schema.IndexInfo) bool {
		same := func(name string) bool { return strings.EqualFold(name, x.Name.O) }
		return slices.ContainsFunc(beside, func(c *ast.Constraint) bool { return same(c.Name) }) ||
			r.d.Before != nil && r.d.Before.Info != nil && slices.ContainsFunc(r.d.Before.Info.Indices, func(y schema.IndexInfo) bool { return same(y.Name.O) })
	}
	for i := range r.d.After.Info.Indices {
		if x := &r.d.After.Info.Indices[i]; !x.Primary && x.Unique == unique && r.hasParts(x, parts) && !taken(x) {
			return x.Name.O
		}
	}
	return ""
}

// hasParts reports whether an index is one on these columns; expressions are not compared.
func (r *rewriter) hasParts(x *schema.IndexInfo, parts []*ast.IndexPartSpecification) bool {
	return slices.EqualFunc(x.Columns, parts, func(col schema.IndexColumn, p *ast.IndexPartSpecification) bool {
		if col.Offset < 0 || col.Offset >= len(r.d.After.Columns) {
			return false
		}
		c := &r.d.After.Columns[col.Offset]
		return p.Column == nil && c.Hidden || p.Column != nil && strings.EqualFold(c.Name, p.Column.Name.O)
	})
}

// keyIndex is the index that TiDB has made for a foreign key, under the key's name: it stays when the key
// goes, and the downstream would make one of its own instead. None if the statement or the table has it.
func (r *rewriter) keyIndex(c *ast.Constraint, beside []*ast.Constraint) ([]*ast.Constraint, error) {
	if c.Tp != ast.ConstraintForeignKey || r.to.Kind == TiDB || !r.known() {
		return nil, nil
	}
	info := r.d.After.Info
	key := slices.IndexFunc(info.ForeignKeys, func(fk schema.ForeignKey) bool {
		return (c.Name == "" || strings.EqualFold(fk.Name.O, c.Name)) && c.Refer != nil && c.Refer.Table != nil && strings.EqualFold(fk.RefTable.O, c.Refer.Table.Name.O) &&
			slices.EqualFunc(fk.Columns, c.Keys, func(name ast.CIStr, p *ast.IndexPartSpecification) bool {
				return p.Column != nil && strings.EqualFold(name.O, p.Column.Name.O)
			})
	})
	if key < 0 {
		return nil, nil
	}
	name := info.ForeignKeys[key].Name.O
	named := func(x schema.IndexInfo) bool {
		return x.State == schema.StatePublic && strings.EqualFold(x.Name.O, name)
	}
	i := slices.IndexFunc(info.Indices, named)
	had := r.d.Before != nil && r.d.Before.Info != nil && slices.ContainsFunc(r.d.Before.Info.Indices, named)
	if i < 0 || had || slices.ContainsFunc(beside, func(o *ast.Constraint) bool {
		return o.Tp != ast.ConstraintForeignKey && strings.EqualFold(o.Name, name)
	}) {
		return nil, nil
	}
	own, err := schema.Index(r.d.After, &info.Indices[i])
	if err != nil {
		return nil, err
	}
	return []*ast.Constraint{own}, nil
}

// index makes an index one for the server, and reports whether it can have it.
func (r *rewriter) index(name string, parts []*ast.IndexPartSpecification, o *ast.IndexOption) bool {
	if r.known() && o != nil {
		i := slices.IndexFunc(r.d.After.Info.Indices, func(x schema.IndexInfo) bool { return name != "" && strings.EqualFold(x.Name.O, name) })
		if i >= 0 {
			o.Comment = r.d.After.Info.Indices[i].Comment
		}
	}
	if r.to.Kind == TiDB {
		return true
	}
	for _, p := range parts {
		p.Desc = false
		if p.Expr != nil && !r.to.expressionIndexes() {
			r.warn("index `%s` is left out: %s has none on expressions", name, r.to)
			return false
		}
	}
	if o == nil {
		return true
	}
	visible := o.Visibility
	if visible != ast.IndexVisibilityDefault && !r.to.invisibleIndexes() {
		if visible == ast.IndexVisibilityInvisible {
			r.warn("index `%s` is visible: %s has no invisible ones", name, r.to)
		}
		visible = ast.IndexVisibilityDefault
	}
	comment := r.comment(o.Comment)
	*o = ast.IndexOption{}
	o.Comment, o.Visibility = comment, visible
	return true
}

func (r *rewriter) createIndex(n *ast.CreateIndexStmt) bool {
	if n.IndexOption == nil {
		n.IndexOption = &ast.IndexOption{}
	}
	if r.to.Kind != TiDB {
		n.LockAlg = nil
	}
	return (r.to.Kind == TiDB || n.KeyType == ast.IndexKeyTypeNone || n.KeyType == ast.IndexKeyTypeUnique) && r.index(n.IndexName, n.IndexPartSpecifications, n.IndexOption)
}

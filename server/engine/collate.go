package engine

import (
	"github.com/pingcap/tidb/pkg/parser/ast"
)

// coercibilityNames are MySQL's words for the coercibilities in error 1267.
var coercibilityNames = [...]string{"EXPLICIT", "NONE", "IMPLICIT", "SYSCONST", "COERCIBLE", "NUMERIC", "IGNORABLE"}

// textOf is the collation and coercibility an expression has as a text: numbers and
// times are texts of the session's collation.
func (c *compiler) textOf(t typ) (uint16, uint8) {
	if t.isText() {
		return t.coll, t.coer
	}
	if t.kind == KindNull {
		return collBinary, coerIgnore
	}
	return c.st.collation(), coerNumber
}

// aggregateCollation decides the collation under which the operands of op meet; error
// 1267 if they do not agree.
func (c *compiler) aggregateCollation(op string, args ...*expr) (collator, uint8, error) {
	var coll collator
	coer := uint8(coerIgnore)
	for i, a := range args {
		id, co := c.textOf(a.typ)
		next := collatorByID(id)
		switch {
		case i == 0 || co < coer:
			if i > 0 && coer < coerNumber && co != coerExplicit && mustStayBinary(coll, next) {
				continue
			}
			coll, coer = next, co
		case co > coer || next.id == coll.id:
		case next.name == "binary":
			coll = next
		case coll.name == "binary":
		case co == coerExplicit:
			return coll, 0, illegalMix(op, coll, coer, next, co)
		case next.charset == coll.charset && next.binary:
			coll = next
		case next.charset == coll.charset && coll.binary:
		case next.charset != coll.charset && (next.width == 4 || coll.width == 4):
			if next.width == 4 {
				coll = next
			}
		case co == coerLiteral || co == coerNumber:
		default:
			return coll, 0, illegalMix(op, coll, coer, next, co)
		}
	}
	return coll, coer, nil
}

// mustStayBinary: a binary text is never read as characters of another's charset.
func mustStayBinary(have, next collator) bool {
	return have.name == "binary" && next.name != "binary"
}

func illegalMix(op string, a collator, ac uint8, b collator, bc uint8) error {
	return fail(1267, "HY000", "Illegal mix of collations (%s,%s) and (%s,%s) for operation '%s'",
		a.name, coercibilityNames[ac], b.name, coercibilityNames[bc], op)
}

// textResult is the type of a text made of the operands, before its length is known.
func (c *compiler) textResult(op string, length uint32, args ...*expr) (typ, error) {
	coll, coer, err := c.aggregateCollation(op, args...)
	if err != nil {
		return typ{}, err
	}
	return textType(length, coll.id, coer).orNull(anyNull(args...)), nil
}

// collate compiles x COLLATE name.
func (c *compiler) collate(n *ast.SetCollationExpr) (*expr, error) {
	v, err := c.compile(n.Expr)
	if err != nil {
		return nil, err
	}
	coll, err := collatorByName(n.Collate)
	if err != nil {
		return nil, err
	}
	id, _ := c.textOf(v.typ)
	if own := collatorByID(id); own.charset != coll.charset {
		return nil, fail(1253, "42000", "COLLATION '%s' is not valid for CHARACTER SET '%s'", coll.name, own.charset)
	}
	t := textType(v.length, coll.id, coerExplicit).orNull(v.null)
	return asText(v, t), nil
}

// asText gives an expression's value as a text of type t.
func asText(v *expr, t typ) *expr {
	return &expr{typ: t, fixed: v.fixed, eval: func(f *frame) (Value, error) {
		val, err := v.eval(f)
		if err != nil || val.IsNull() {
			return Null(), err
		}
		return textValue(v.asShown(val).Text(), t), nil
	}}
}

// textValue makes a text or a binary string, as the type says.
func textValue(s string, t typ) Value {
	if t.kind == KindBytes {
		return Value{kind: KindBytes, str: s}
	}
	return String(s)
}

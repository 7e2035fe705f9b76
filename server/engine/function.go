package engine

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// call is a function call being compiled. An argument that is no expression (a unit, a
// TRIM direction) is nil in args and only found in nodes.
type call struct {
	name  string
	args  []*expr
	nodes []ast.ExprNode
	src   ast.ExprNode
}

// function is a built-in: how many arguments it takes (max -1: any number) and how a
// call of it is compiled.
type function struct {
	min, max int
	build    func(c *compiler, k call) (*expr, error)
}

// lookup finds a built-in by its lower-case name, family by family.
func lookup(name string) (function, bool) {
	families := [...]func(string) (function, bool){
		controlFunction, stringFunction, textFunction, mathFunction, hashFunction,
		clockFunction, dateFunction, dateMathFunction, infoFunction, jsonFunction,
		regexpFunction, tidbFunction,
	}
	for _, find := range families {
		if fn, ok := find(name); ok {
			return fn, true
		}
	}
	return function{}, false
}

// call compiles a function call.
func (c *compiler) call(n *ast.FuncCallExpr) (*expr, error) {
	name := n.FnName.L
	if n.Schema.L != "" {
		return nil, errUnknownFunction(n.Schema.O + "." + n.FnName.O)
	}
	fn, ok := lookup(name)
	if !ok {
		if strings.HasPrefix(name, "json_") {
			return nil, errNotSupported("the function " + strings.ToUpper(name))
		}
		return nil, errUnknownFunction(n.FnName.O)
	}
	if len(n.Args) < fn.min || fn.max >= 0 && len(n.Args) > fn.max {
		return nil, errArgCount(n.FnName.O)
	}
	k := call{name: name, nodes: n.Args, src: n, args: make([]*expr, len(n.Args))}
	for i, a := range n.Args {
		switch a.(type) {
		case *ast.TimeUnitExpr, *ast.TrimDirectionExpr, *ast.GetFormatSelectorExpr:
			continue
		}
		e, err := c.compile(a)
		if err != nil {
			return nil, err
		}
		k.args[i] = e
	}
	if _, ok := controlFunction(name); !ok && !isMath(name) {
		showAll(k.args)
	}
	return fn.build(c, k)
}

// intFunc is a built-in that gives an integer of its arguments, NULL if one is NULL.
func intFunc(minArgs, maxArgs int, length uint32, fn func(f *frame, v []Value) (Value, error)) function {
	return function{minArgs, maxArgs, func(c *compiler, k call) (*expr, error) {
		return strict(intType(length), k.args, fn), nil
	}}
}

// nullableIntFunc is intFunc for a function that may give NULL of itself.
func nullableIntFunc(minArgs, maxArgs int, length uint32, fn func(f *frame, v []Value) (Value, error)) function {
	return function{minArgs, maxArgs, func(c *compiler, k call) (*expr, error) {
		return strict(intType(length).nullable(), k.args, fn), nil
	}}
}

// typedFunc is a built-in of one argument that gives a value of type t, NULL if the argument is.
func typedFunc(t typ, fn func(f *frame, v []Value) (Value, error)) function {
	return function{1, 1, func(c *compiler, k call) (*expr, error) { return strict(t, k.args, fn), nil }}
}

// systemText is a built-in without arguments that gives a text of the server's own.
func systemText(length uint32, nullable bool, get func(env Env) Value) function {
	return function{0, 0, func(c *compiler, k call) (*expr, error) {
		v := get(c.st.x.Env)
		t := textType(length, collGeneralCI, coerSystem)
		t.null = nullable || v.IsNull()
		return constant(t, v), nil
	}}
}

// unsupported is a built-in that this server does not carry out, with the reason.
func unsupported(what string) function {
	return function{0, -1, func(*compiler, call) (*expr, error) { return nil, errNotSupported(what) }}
}

// showAll makes functions of texts see numbers with the digits that are shown. IF and its kin hand
// their arguments on as they are.
func showAll(args []*expr) {
	for i, a := range args {
		if a == nil || !a.loose && (a.kind != KindFloat || a.dec == notFixed) {
			continue
		}
		plain := *a
		plain.eval = func(f *frame) (Value, error) {
			v, err := a.eval(f)
			return a.asShown(v), err
		}
		args[i] = &plain
	}
}

func isMath(name string) bool {
	_, ok := mathFunction(name)
	return ok
}

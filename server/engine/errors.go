package engine

import (
	"fmt"
	"strings"
)

// fail makes an error with MySQL's number and wording.
func fail(code uint16, state, format string, args ...any) *Error {
	return &Error{Code: code, State: state, Message: fmt.Sprintf(format, args...)}
}

// errNotSupported is for what this evaluator does not do, named in the user's words.
func errNotSupported(what string) *Error {
	return fail(1235, "42000", "This version of Pumphouse doesn't yet support '%s'", what)
}

func errUnknownFunction(name string) *Error {
	return fail(1305, "42000", "FUNCTION %s does not exist", name)
}

func errArgCount(name string) *Error {
	return fail(1582, "42000", "Incorrect parameter count in the call to native function '%s'", name)
}

func errWrongArguments(name string) *Error {
	return fail(1210, "HY000", "Incorrect arguments to %s", strings.ToUpper(name))
}

func errUnknownColumn(name, clause string) *Error {
	return fail(1054, "42S22", "Unknown column '%s' in '%s'", name, clause)
}

func errAmbiguous(name, clause string) *Error {
	return fail(1052, "23000", "Column '%s' in %s is ambiguous", name, clause)
}

// errOutOfRange is for a result that its type cannot hold; expr is the text shown.
func errOutOfRange(typeName, expr string) *Error {
	return fail(1690, "22003", "%s value is out of range in '%s'", typeName, expr)
}

func errOperand(columns int) *Error {
	return fail(1241, "21000", "Operand should contain %d column(s)", columns)
}

func errGroupFunction() *Error {
	return fail(1111, "HY000", "Invalid use of group function")
}

func errTooDeep() *Error {
	return fail(1436, "HY000", "The statement nests expressions or subqueries more than %d levels deep; write it flatter", maxDepth)
}

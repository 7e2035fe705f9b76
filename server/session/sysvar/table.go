package sysvar

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Var is a system variable: one line of sysvars.txt.
type Var struct {
	Name     string
	Global   bool // has a global value
	Session  bool // has a value of the session's own
	readOnly bool
	typ      varType
	min, max float64  // of varInt and varNum, where limited
	limited  bool     // min and max hold
	unsigned bool     // reads as an unsigned integer
	words    []string // varEnum
	start    string
	computed string // names the computation instead of start; see compute
}

// Find finds a variable, nil for none. Letter case does not count.
func Find(name string) *Var { return variables().byName[strings.ToLower(name)] }

// All lists the variables by name.
func All() []*Var { return variables().sorted }

// varType says how a variable's value is checked, kept and shown.
type varType uint8

const (
	varStr varType = iota
	varBool
	varInt
	varNum
	varEnum
	varCharset
	varCollation
	varZone
	varMode
	varIsolation
	varSwitch
)

var varTypes = map[string]varType{
	"str": varStr, "bool": varBool, "int": varInt, "num": varNum, "enum": varEnum,
	"charset": varCharset, "collation": varCollation, "zone": varZone, "mode": varMode,
	"isolation": varIsolation, "switch": varSwitch,
}

//go:embed sysvars.txt
var tableText string

// varTable is the parsed sysvars.txt: by name, and in the order of SHOW VARIABLES.
type varTable struct {
	byName map[string]*Var
	sorted []*Var
}

// variables reads the table once; it never changes afterwards.
var variables = sync.OnceValue(func() *varTable {
	t := &varTable{byName: map[string]*Var{}}
	for line := range strings.Lines(tableText) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		v := parse(line)
		t.byName[v.Name] = v
		t.sorted = append(t.sorted, v)
	}
	slices.SortFunc(t.sorted, func(a, b *Var) int { return strings.Compare(a.Name, b.Name) })
	return t
})

// parse reads one line of the table. The table is part of the program and a
// test reads every line, so there is no error to return.
func parse(line string) *Var {
	f := strings.SplitN(line, " ", 4)
	for len(f) < 4 {
		f = append(f, "")
	}
	scope, readOnly := strings.CutSuffix(f[1], "!")
	kind, args, _ := strings.Cut(f[2], ":")
	v := &Var{
		Name:     f[0],
		Global:   scope == "b" || scope == "g",
		Session:  scope == "b" || scope == "s",
		readOnly: readOnly,
		typ:      varTypes[kind],
		start:    f[3],
	}
	if strings.HasPrefix(v.start, "{") && strings.HasSuffix(v.start, "}") {
		v.computed, v.start = v.start[1:len(v.start)-1], ""
	}
	switch {
	case v.typ == varEnum:
		v.words = strings.Split(args, ",")
	case args != "":
		lo, hi, _ := strings.Cut(args, ":")
		v.min, _ = strconv.ParseFloat(lo, 64)
		v.max, _ = strconv.ParseFloat(hi, 64)
		v.limited = true
	}
	v.unsigned = v.typ == varInt && !(v.limited && v.min < 0)
	return v
}

// aliases are the names that share one value with another.
var aliases = map[string]string{
	"tx_isolation":        "transaction_isolation",
	"tx_read_only":        "transaction_read_only",
	"storage_engine":      "default_storage_engine",
	"identity":            "last_insert_id",
	"pseudo_replica_mode": "pseudo_slave_mode",
}

// slot is the name under which the variable's session value is kept.
func (v *Var) slot() string {
	if a, ok := aliases[v.Name]; ok {
		return a
	}
	return v.Name
}

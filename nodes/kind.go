package nodes

import (
	"fmt"
	"strings"
)

// Kind tells the two kinds of nodes apart.
type Kind uint8

// The kinds of nodes a TiDB Binlog cluster has.
const (
	Pump Kind = iota
	Drainer
)

// Kinds lists every kind, in the order reports use.
func Kinds() []Kind { return []Kind{Pump, Drainer} }

// String gives the kind in lower case, as logs, flags and errors spell it.
func (k Kind) String() string {
	switch k {
	case Pump:
		return "pump"
	case Drainer:
		return "drainer"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Prefix is where the records of this kind live in PD, with the trailing slash.
// Nothing but node records may ever be written below it.
func (k Kind) Prefix() string { return "/tidb-binlog/v1/" + k.String() + "s/" }

// Key is where the record of one node lives in PD.
func (k Kind) Key(nodeID string) string { return k.Prefix() + nodeID }

// other is the kind that k is not.
func (k Kind) other() Kind {
	if k == Pump {
		return Drainer
	}
	return Pump
}

// ParseKind takes "pump" or "drainer" in any letter case.
func ParseKind(s string) (Kind, error) {
	for _, k := range Kinds() {
		if strings.EqualFold(s, k.String()) {
			return k, nil
		}
	}
	return 0, fmt.Errorf("%q is not a kind of node: use pump or drainer", s)
}

// Keyword is the kind as statements spell it: PUMP or DRAINER.
func (k Kind) Keyword() string { return strings.ToUpper(k.String()) }

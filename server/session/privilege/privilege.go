// Package privilege is who a client of the console is and what it may do. Refusals are logged, but
// those who are refused cannot fill the disk with them.
package privilege

import (
	"strings"

	"pumphouse/server/session/result"
)

// Role is what a user may do.
type Role uint8

// The roles: a monitor may only look; an admin may also CHANGE and KILL.
const (
	Monitor Role = iota
	Admin
)

// String is the role as the configuration spells it.
func (r Role) String() string {
	if r == Admin {
		return "admin"
	}
	return "monitor"
}

// Account is who logged in.
type Account struct {
	Name   string // as configured
	Host   string // the client's address without port
	Role   Role
	Secure bool // over TLS

	TLSVersion, Cipher string // of TLS as MySQL spells them; "" without TLS
}

// Denied is the error of what only an admin may do, with the number that MySQL has for a missing privilege.
func (a *Account) Denied(what string) error {
	return result.Errorf(result.ErrSpecificAccess, "Access denied; %s needs the role admin, and user '%s' has the role %s: log in as an admin, "+
		"or have its role in [[users]] of the console's configuration changed", what, a.Name, a.Role)
}

// Privileges are what the role may do, in MySQL's words.
func (a *Account) Privileges() []string {
	if a.Role == Admin {
		return []string{"SELECT", "RELOAD", "PROCESS", "SUPER"}
	}
	return []string{"SELECT", "PROCESS"}
}

// Grantee is the account as the privilege tables write it: 'root'@'%'.
func (a *Account) Grantee() string { return "'" + strings.ReplaceAll(a.Name, "'", "''") + "'@'%'" }

package server

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"pumphouse/server/session/privilege"
)

// LoginCommand is a command line by which the mysql client logs in with the users and the
// TLS that are configured: an admin from this machine, if there is one. What it needs that is not
// part of the command (the user's password apart) follows in parentheses. Call it after [Server.Open].
func (s *Server) LoginCommand() string {
	host, port, err := net.SplitHostPort(s.Addr().String())
	if err != nil {
		return "mysql, at " + s.Addr().String()
	}
	ip, _ := netip.ParseAddr(host)
	everywhere := ip.IsUnspecified()
	if everywhere {
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		host = ip.String()
	}
	var notes []string
	acc := s.users().best(peerAt(&net.TCPAddr{IP: ip.AsSlice()}))
	if acc == nil {
		acc = s.users().any()
		notes = append(notes, "from "+acc.places())
		if name, err := os.Hostname(); everywhere && err == nil {
			host = name
		}
	}
	if s.opts.RequireSecureTransport {
		notes = append(notes, "over TLS: the MariaDB client needs --ssl")
	}
	command := fmt.Sprintf("mysql -h %s -P %s -u %s%s", host, port, quoteArg(acc.name), acc.passwordFlag())
	if len(notes) > 0 {
		command += " (" + strings.Join(notes, "; ") + ")"
	}
	return command
}

// best is a user that may log in from there: an admin, if one may; nil: none.
func (a *accounts) best(from peer) (found *account) {
	for _, acc := range a.list {
		if acc.allows(from) && (found == nil || found.role != privilege.Admin && acc.role == privilege.Admin) {
			found = acc
		}
	}
	return found
}

// any is a user wherever it may come from: an admin, if there is one.
func (a *accounts) any() *account {
	for _, acc := range a.list {
		if acc.role == privilege.Admin {
			return acc
		}
	}
	return a.list[0]
}

// places are the addresses that a user may come from.
func (acc *account) places() string {
	var list []string
	for _, p := range acc.hosts {
		if p.IsSingleIP() {
			list = append(list, p.Addr().String())
		} else {
			list = append(list, p.String())
		}
	}
	return strings.Join(list, ", ")
}

// passwordFlag makes the client ask for the password of a user that has one.
func (acc *account) passwordFlag() string {
	if acc.local {
		return ""
	}
	return " -p"
}

// quoteArg quotes a word for a shell where it must be.
func quoteArg(s string) string {
	plain := func(r rune) bool {
		return strings.ContainsRune("-_./@:", r) || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

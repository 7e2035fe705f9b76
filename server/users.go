package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"pumphouse/server/session/privilege"
	"pumphouse/server/wire"
)

// User is one account of the configuration.
type User struct {
	Name string `toml:"name" example:"\"ops\"" doc:"name of the user"`
	Role string `toml:"role" example:"\"admin\"" doc:"admin: may CHANGE, PAUSE, OFFLINE, DROP, RESOLVE and KILL; monitor: may look"` // admin or monitor
	// Password is a hash as MySQL stores it: mysql_native_password (*HEX40) or
	// caching_sha2_password ($A$005$…), either of them also as 0x….
	Password string `toml:"password" example:"\"$A$005$…\"" doc:"hash of the password, made by pumphouse passwd"`
	// Hosts are the addresses the user may come from: IP, CIDR or %; nil means %, an empty list is an error.
	Hosts []string `toml:"hosts" example:"[\"10.0.0.0/8\"]" doc:"addresses that the user may come from: IP addresses, ranges, or %; left out: any"`
}

// HashPassword makes what [User.Password] takes. Plugins are mysql_native_password
// and caching_sha2_password.
func HashPassword(plugin, password string) (string, error) {
	return wire.HashPassword(plugin, password)
}

// account is a user ready to be checked.
type account struct {
	name  string
	role  privilege.Role
	cred  *wire.Credential
	hosts []netip.Prefix // none: from anywhere
	local bool           // from this machine only
}

// accounts are all users of a server; they do not change, but are exchanged as a whole by SetUsers.
type accounts struct {
	byName  map[string]*account
	list    []*account // in the configuration's order
	plugins []string   // of each user, in the configuration's order
	secret  []byte     // decides what a user who does not exist looks like
}

// users are the accounts as they are now.
func (s *Server) users() *accounts { return s.accounts.Load() }

// SetUsers exchanges the users. It holds for the next login; sessions that are open stay. Without users root would
// need no password, so there must be one where there was one.
func (s *Server) SetUsers(users []User) error {
	if (len(users) == 0) != (len(s.opts.Users) == 0) {
		return errors.New("[[users]]: the first user and the last one take effect at the next start")
	}
	a, err := newAccounts(users)
	if err == nil {
		s.accounts.Store(a)
	}
	return err
}

// newAccounts reads the configured users; none means root without a password.
func newAccounts(users []User) (*accounts, error) {
	a := &accounts{byName: make(map[string]*account)}
	secret := sha256.New()
	for _, u := range users {
		acc, err := newAccount(u)
		if err != nil {
			return nil, err
		}
		if a.byName[u.Name] != nil {
			return nil, fmt.Errorf("user %q: configured twice", u.Name)
		}
		a.byName[u.Name] = acc
		a.list = append(a.list, acc)
		a.plugins = append(a.plugins, acc.cred.Plugin())
		// Fixed by the configuration: a restart must not change how a name looks.
		fmt.Fprintf(secret, "%s\x00%s\x00", u.Name, u.Password)
	}
	if len(users) == 0 {
		root := &account{name: "root", role: privilege.Admin, cred: wire.EmptyCredential(), local: true}
		a.byName["root"], a.list = root, []*account{root}
		a.plugins = []string{wire.NativePassword}
	}
	a.secret = secret.Sum(nil)
	return a, nil
}

func newAccount(u User) (*account, error) {
	if u.Name == "" {
		return nil, fmt.Errorf("a user has no name")
	}
	acc := &account{name: u.Name}
	switch u.Role {
	case "admin":
		acc.role = privilege.Admin
	case "monitor":
		acc.role = privilege.Monitor
	default:
		return nil, fmt.Errorf("user %q: role %q is neither admin nor monitor", u.Name, u.Role)
	}
	cred, err := wire.ParseCredential(u.Password)
	if err != nil {
		// The value may well be the password itself: it is not repeated here.
		return nil, fmt.Errorf("user %q: password is %w; make one with `pumphouse passwd`", u.Name, err)
	}
	acc.cred = cred
	if u.Hosts != nil && len(u.Hosts) == 0 {
		return nil, fmt.Errorf("user %q: hosts is an empty list, so that it may come from nowhere; list IP addresses or CIDR ranges, or leave hosts out for anywhere", u.Name)
	}
	for _, h := range u.Hosts {
		if h == "%" {
			acc.hosts = nil
			return acc, nil
		}
		prefix, err := parseHost(h)
		if err != nil {
			return nil, fmt.Errorf("user %q: host %q is neither an IP address, a CIDR range nor %%", u.Name, h)
		}
		acc.hosts = append(acc.hosts, prefix)
	}
	return acc, nil
}

// parseHost reads an address or a range. Clients are known by their IPv4 addresses also where
// the system writes them as IPv6 (::ffff:10.0.0.1), so a range of those becomes one of IPv4.
func parseHost(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		return p, nil
	}
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	ip = ip.Unmap()
	return netip.PrefixFrom(ip, ip.BitLen()), nil
}

// find gives the account to check a login against, and whether it is a real one. For a
// name that does not exist, or not from there, it is one that no password fits and
// that always looks the same for that name. Both are always looked up.
func (a *accounts) find(name string, from peer) (acc *account, known bool) {
	dummy := a.dummy(name)
	acc = a.byName[name]
	if acc == nil || !acc.allows(from) {
		return dummy, false
	}
	return acc, true
}

// denial says in words for the log why a login failed; known: the user may come from there.
func (a *accounts) denial(name string, known, password bool) string {
	switch {
	case a.byName[name] == nil:
		return "there is no such user in [[users]]"
	case !known && a.byName[name].local:
		return "while no [[users]] are configured, root may log in from this machine only"
	case !known:
		return "the user may not log in from this address (its hosts in [[users]] are " + a.byName[name].places() + ")"
	case !password:
		return "no password was given"
	}
	return "wrong password"
}

// dummy picks the plugin as often as the real users have it.
func (a *accounts) dummy(name string) *account {
	mac := hmac.New(sha256.New, a.secret)
	mac.Write([]byte(name))
	var seed [sha256.Size]byte
	mac.Sum(seed[:0])
	plugin := a.plugins[(int(seed[30])<<8|int(seed[31]))%len(a.plugins)]
	return &account{name: name, cred: wire.DummyCredential(plugin, seed)}
}

// allows reports whether the user may come from there.
func (acc *account) allows(from peer) bool {
	if acc.local {
		return from.local
	}
	if len(acc.hosts) == 0 {
		return true
	}
	for _, p := range acc.hosts {
		if p.Contains(from.ip) {
			return true
		}
	}
	return false
}

// defaultPlugin is what clients are asked to try first: what most users have.
func (a *accounts) defaultPlugin() string {
	native := 0
	for _, p := range a.plugins {
		if p == wire.NativePassword {
			native++
		}
	}
	if 2*native > len(a.plugins) {
		return wire.NativePassword
	}
	return wire.CachingSha2
}

// peer is where a client comes from.
type peer struct {
	host  string // without port; "localhost" for a Unix socket
	addr  string // with port, as logs and the process list show it
	ip    netip.Addr
	local bool // on this machine
	unix  bool
}

func newPeer(nc net.Conn) peer { return peerAt(nc.RemoteAddr()) }

func peerAt(addr net.Addr) peer {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		// A Unix socket counts as 127.0.0.1 for users bound to hosts.
		return peer{host: "localhost", addr: "localhost", ip: netip.AddrFrom4([4]byte{127, 0, 0, 1}), local: true, unix: true}
	}
	ip := tcp.AddrPort().Addr().Unmap()
	return peer{
		host:  ip.WithZone("").String(),
		addr:  netip.AddrPortFrom(ip, uint16(tcp.Port)).String(),
		ip:    ip.WithZone(""),
		local: ip.IsLoopback(),
	}
}

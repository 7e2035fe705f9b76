package server

import (
	"strings"
	"testing"
)

// TestLoginCommand: the command fits the users and the TLS that are configured.
func TestLoginCommand(t *testing.T) {
	cert, key := selfSigned(t)
	users := testUsers(t) // boss, watch, chief, guest: admins and monitors
	from := func(u User, hosts ...string) User { u.Hosts = hosts; return u }
	for _, c := range []struct {
		name string
		opts Options
		want string // after "mysql -h 127.0.0.1 -P PORT"
	}{
		{"no users", Options{}, " -u root"},
		{"the first admin", Options{Users: []User{users[1], users[0], users[2]}}, " -u boss -p"},
		{"an admin who may come from here", Options{Users: []User{from(users[0], "10.0.0.0/8"), users[1], from(users[2], "127.0.0.1")}}, " -u chief -p"},
		{"a monitor, if only monitors may", Options{Users: []User{from(users[0], "10.0.0.0/8"), users[1]}}, " -u watch -p"},
		{"nobody from here", Options{Users: []User{users[1], from(users[0], "10.0.0.0/8", "192.168.1.5")}[1:]}, " -u boss -p (from 10.0.0.0/8, 192.168.1.5)"},
		{"TLS is required", Options{Users: users, TLSCert: cert, TLSKey: key, RequireSecureTransport: true}, " -u boss -p (over TLS: the MariaDB client needs --ssl)"},
		{"a name that a shell would take apart", Options{Users: []User{{Name: "o'neil & co", Role: "admin", Password: users[0].Password}}}, ` -u 'o'\''neil & co' -p`},
	} {
		h := open(t, c.opts, nil)
		_, port, _ := strings.Cut(h.Addr().String(), ":")
		if got, want := h.LoginCommand(), "mysql -h 127.0.0.1 -P "+port+c.want; got != want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, want)
		}
	}
}

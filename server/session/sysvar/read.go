package sysvar

import (
	"context"
	"crypto/sha1"
	"fmt"
	"net"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"pumphouse/server/engine"
	"pumphouse/server/session/result"
)

// Read reads a variable for an expression; explicit: the statement names the scope.
func (vs *Vars) Read(ctx context.Context, name string, global, explicit bool) (engine.Value, error) {
	v := Find(name)
	switch {
	case v == nil:
		return engine.Null(), unknown(strings.ToLower(name))
	case explicit && global && !v.Global:
		return engine.Null(), result.Errorf(result.ErrReadOnlyVariable, "Variable '%s' is a SESSION variable", v.Name)
	case explicit && !global && !v.Session:
		return engine.Null(), result.Errorf(result.ErrReadOnlyVariable, "Variable '%s' is a GLOBAL variable", v.Name)
	}
	text, err := vs.Text(ctx, v, global)
	if err != nil {
		return engine.Null(), err
	}
	if v.computed == "warning_count" || v.computed == "error_count" {
		vs.owner.Diag.Keep()
	}
	return v.value(text), nil
}

func unknown(name string) error {
	return result.Errorf(result.ErrUnknownSysVar, "Unknown system variable '%s'", name)
}

// Text is a variable's value as SHOW VARIABLES prints it. Only log_bin, which the cluster is asked for,
// can fail.
func (vs *Vars) Text(ctx context.Context, v *Var, global bool) (string, error) {
	if !global && v.Session {
		if text, ok := vs.own[v.slot()]; ok {
			return text, nil
		}
	}
	switch v.computed {
	case "":
		return v.start, nil
	case "log_bin":
		return vs.owner.LogBin(ctx)
	}
	return vs.compute(v.computed), nil
}

// value gives the text the type that SELECT @@x shows.
func (v *Var) value(text string) engine.Value {
	switch v.typ {
	case varBool:
		if text == "ON" {
			return engine.Int(1)
		}
		return engine.Int(0)
	case varInt:
		if v.unsigned {
			if n, err := strconv.ParseUint(text, 10, 64); err == nil {
				return engine.Uint(n)
			}
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return engine.Int(n)
		}
	case varNum:
		if d, err := decimal.NewFromString(text); err == nil {
			return engine.Decimal(d)
		}
	case varCharset:
		if text == "" {
			return engine.Null()
		}
	}
	switch v.Name {
	case "log_bin": // 0, 1, ON or OFF, as the compatibility setting has it
		switch text {
		case "0", "OFF":
			return engine.Int(0)
		case "1", "ON":
			return engine.Int(1)
		}
	}
	return engine.String(text)
}

var leadingVersion = regexp.MustCompile(`^\d+(\.\d+)*`)

// compute gives the value of a variable that depends on the server or the cluster.
func (vs *Vars) compute(name string) string {
	switch name {
	case "version":
		return vs.facts.Version
	case "version_comment":
		return "Pumphouse, the console of TiDB Binlog"
	case "innodb_version":
		return leadingVersion.FindString(vs.facts.Version)
	case "datadir":
		return vs.facts.Datadir
	case "hostname":
		name, _ := os.Hostname()
		return name
	case "port":
		_, port, err := net.SplitHostPort(vs.facts.Addr)
		if err != nil {
			port = "0"
		}
		return port
	case "max_packet":
		return strconv.FormatInt(vs.facts.MaxPacket, 10)
	case "max_connections":
		return strconv.Itoa(vs.facts.MaxConns)
	case "max_user_connections":
		return strconv.Itoa(vs.facts.MaxUserConns)
	case "have_ssl":
		if vs.facts.TLS {
			return "YES"
		}
		return "DISABLED"
	case "require_tls":
		return onOff(vs.facts.RequireTLS)
	case "idle_timeout":
		return strconv.FormatInt(int64(vs.facts.IdleTimeout/time.Second), 10)
	case "statement_timeout":
		return strconv.FormatInt(vs.facts.Statement.Milliseconds(), 10)
	case "system_time_zone":
		zone, _ := vs.clock.In(time.Local).Zone()
		return zone
	case "server_uuid":
		return vs.serverUUID()
	case "connection_id":
		return strconv.FormatUint(uint64(vs.owner.ID), 10)
	case "timestamp":
		return strconv.FormatFloat(float64(vs.Now.UnixMicro())/1e6, 'f', 6, 64)
	case "warning_count":
		warnings, errors := vs.owner.Diag.Before()
		return strconv.Itoa(warnings + errors)
	case "error_count":
		_, errors := vs.owner.Diag.Before()
		return strconv.Itoa(errors)
	case "machine":
		return strings.NewReplacer("amd64", "x86_64", "arm64", "aarch64").Replace(runtime.GOARCH)
	case "os":
		return strings.ToUpper(runtime.GOOS[:1]) + runtime.GOOS[1:]
	}
	return ""
}

// serverUUID is one that stays the same for the same server on the same machine.
func (vs *Vars) serverUUID() string {
	host, _ := os.Hostname()
	h := sha1.Sum([]byte("pumphouse " + host + " " + vs.facts.Addr))
	h[6], h[8] = h[6]&0x0f|0x50, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

func onOff(on bool) string {
	if on {
		return "ON"
	}
	return "OFF"
}

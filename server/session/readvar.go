package session

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

	"pumphouse/nodes"
	"pumphouse/server/engine"
	"pumphouse/server/session/result"
)

// SysVar reads a system variable for an expression.
func (e env) SysVar(ctx context.Context, name string, global, explicit bool) (engine.Value, error) {
	name = strings.ToLower(name)
	v, ok := sysVars().byName[name]
	if !ok {
		return engine.Null(), result.Errorf(result.ErrUnknownSysVar, "Unknown system variable '%s'", name)
	}
	if explicit && global && !v.global {
		return engine.Null(), result.Errorf(result.ErrReadOnlyVariable, "Variable '%s' is a SESSION variable", name)
	}
	if explicit && !global && !v.session {
		return engine.Null(), result.Errorf(result.ErrReadOnlyVariable, "Variable '%s' is a GLOBAL variable", name)
	}
	text, err := e.s.varText(ctx, v, global)
	if err != nil {
		return engine.Null(), err
	}
	if v.computed == "warning_count" || v.computed == "error_count" {
		e.s.diag.Keep()
	}
	return v.value(text), nil
}

// varText is a variable's value as SHOW VARIABLES prints it.
func (s *Session) varText(ctx context.Context, v *sysVar, global bool) (string, error) {
	if !global && v.session {
		if text, ok := s.own[v.slot()]; ok {
			return text, nil
		}
	}
	switch v.computed {
	case "":
		return v.start, nil
	case "log_bin":
		return s.logBin(ctx)
	}
	return s.computedVar(v.computed), nil
}

// value gives the text the type that SELECT @@x shows.
func (v *sysVar) value(text string) engine.Value {
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
	switch v.name {
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

// computedVar is the value of a variable that depends on the server or the cluster.
func (s *Session) computedVar(name string) string {
	switch name {
	case "version":
		return s.opts.Version
	case "version_comment":
		return "Pumphouse, the console of TiDB Binlog"
	case "innodb_version":
		return leadingVersion.FindString(s.opts.Version)
	case "datadir":
		return s.opts.Datadir
	case "hostname":
		name, _ := os.Hostname()
		return name
	case "port":
		_, port, err := net.SplitHostPort(s.opts.Addr)
		if err != nil {
			port = "0"
		}
		return port
	case "max_packet":
		return strconv.FormatInt(s.opts.MaxPacket, 10)
	case "max_connections":
		return strconv.Itoa(s.opts.MaxConns)
	case "max_user_connections":
		return strconv.Itoa(s.opts.MaxUserConns)
	case "have_ssl":
		if s.opts.TLS {
			return "YES"
		}
		return "DISABLED"
	case "require_tls":
		return onOff(s.opts.RequireTLS)
	case "idle_timeout":
		return strconv.FormatInt(int64(s.opts.IdleTimeout/time.Second), 10)
	case "statement_timeout":
		return strconv.FormatInt(s.opts.Statement.Milliseconds(), 10)
	case "system_time_zone":
		zone, _ := s.opts.Now().In(time.Local).Zone()
		return zone
	case "server_uuid":
		return s.serverUUID()
	case "connection_id":
		return strconv.FormatUint(uint64(s.id), 10)
	case "timestamp":
		return strconv.FormatFloat(float64(s.now.UnixMicro())/1e6, 'f', 6, 64)
	case "warning_count":
		warnings, errors := s.diag.Before()
		return strconv.Itoa(warnings + errors)
	case "error_count":
		_, errors := s.diag.Before()
		return strconv.Itoa(errors)
	case "machine":
		return strings.NewReplacer("amd64", "x86_64", "arm64", "aarch64").Replace(runtime.GOARCH)
	case "os":
		return strings.ToUpper(runtime.GOOS[:1]) + runtime.GOOS[1:]
	}
	return ""
}

// serverUUID is one that stays the same for the same server on the same machine.
func (s *Session) serverUUID() string {
	host, _ := os.Hostname()
	h := sha1.Sum([]byte("pumphouse " + host + " " + s.opts.Addr))
	h[6], h[8] = h[6]&0x0f|0x50, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

func onOff(on bool) string {
	if on {
		return "ON"
	}
	return "OFF"
}

// logBin is @@log_bin: whether binlog is enabled, in the form of the compatibility
// setting. The document's form is the other way round than one would think: 0 means
// enabled.
func (s *Session) logBin(ctx context.Context) (string, error) {
	enabled := s.opts.LogBin == "on"
	if s.opts.LogBin == "auto" {
		snap, err := s.view(ctx)
		if err != nil {
			return "", err
		}
		for i := range snap.Pumps {
			enabled = enabled || snap.Pumps[i].Record.State == nodes.Online
		}
	}
	if s.opts.Compat == CompatTiDB {
		return onOff(enabled), nil
	}
	if enabled {
		return "0", nil
	}
	return "1", nil
}

package logs

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"gopkg.in/natefinch/lumberjack.v2"
)

// Format is how a line looks.
type Format string

// The values of log-format.
const (
	FormatUnified Format = "unified" // TiDB's: see [Unified]
	FormatLogfmt  Format = "logfmt"  // time=… level=… msg=… key=value
	FormatJSON    Format = "json"    // one object a line, with the keys time, level, msg and the fields
)

// Config is the part of a program's configuration that is about its log.
type Config struct {
	LogFile   string `toml:"log-file" example:"\"/var/log/pumphouse.log\""`
	LogLevel  string `toml:"log-level"`  // debug, info, warn, error or fatal; "" = info
	LogFormat Format `toml:"log-format"` // "" = logfmt

	Log struct {
		File Rotation `toml:"file" doc:"Rotation of the log file."`
	} `toml:"log"`
}

// Rotation is the section [log.file], with the keys of TiDB's programs.
type Rotation struct {
	Filename   string `toml:"filename" example:"\"/var/log/pumphouse.log\"" doc:"the same as log-file"`
	MaxSize    int    `toml:"max-size" default:"300" value:"MiB" doc:"size in MiB at which a new file is begun"` // 0 = 300
	MaxDays    int    `toml:"max-days" value:"days" doc:"days after which old files are removed; 0: never"`
	MaxBackups int    `toml:"max-backups" doc:"how many old files are kept; 0: all"`
}

// defaultMaxSize is TiDB's, in MiB.
const defaultMaxSize = 300

// Levels and formats as an error lists them.
const (
	levelList  = "debug, info, warn, error or fatal"
	formatList = "unified, logfmt or json"
)

func (c *Config) level() (logrus.Level, error) {
	switch strings.ToLower(c.LogLevel) {
	case "debug":
		return logrus.DebugLevel, nil
	case "", "info":
		return logrus.InfoLevel, nil
	case "warn", "warning":
		return logrus.WarnLevel, nil
	case "error":
		return logrus.ErrorLevel, nil
	case "fatal":
		return logrus.FatalLevel, nil
	}
	return 0, fmt.Errorf("log level %q does not exist: use %s", c.LogLevel, levelList)
}

func (c *Config) formatter() (logrus.Formatter, error) {
	switch c.LogFormat {
	case FormatUnified:
		return Unified{}, nil
	case "", FormatLogfmt:
		return &logrus.TextFormatter{FullTimestamp: true, TimestampFormat: time.RFC3339Nano, DisableColors: true}, nil
	case FormatJSON:
		return &logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano, DisableHTMLEscape: true}, nil
	}
	return nil, fmt.Errorf("log-format %q does not exist: use %s", c.LogFormat, formatList)
}

// path is the file to log to; "" is none.
func (c *Config) path() (string, error) {
	r := c.Log.File
	switch {
	case c.LogFile != "" && r.Filename != "" && c.LogFile != r.Filename:
		return "", fmt.Errorf("log-file %q and filename %q of [log.file] differ: keep one of them", c.LogFile, r.Filename)
	case r.MaxSize < 0 || r.MaxDays < 0 || r.MaxBackups < 0:
		return "", errors.New("max-size, max-days and max-backups of [log.file] must not be negative")
	case c.LogFile != "":
		return c.LogFile, nil
	case r.Filename == "" && r != Rotation{}:
		return "", errors.New("[log.file] needs a filename (or -log-file): what goes to stderr is not rotated")
	}
	return r.Filename, nil
}

// Check reports what is wrong with the values, without opening anything.
func (c *Config) Check() error {
	_, errLevel := c.level()
	_, errFormat := c.formatter()
	_, errPath := c.path()
	return errors.Join(errLevel, errFormat, errPath)
}

// Logger is a program's log. It may be used by any number of goroutines.
type Logger struct {
	*logrus.Logger
	file *lumberjack.Logger // nil: it logs to stderr
}

// Open gives the log that c describes: to a file, which is appended to, or to stderr.
func Open(c Config, stderr io.Writer) (*Logger, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	l := &Logger{Logger: logrus.New()}
	level, _ := c.level() // these have been checked
	formatter, _ := c.formatter()
	path, _ := c.path()
	l.SetLevel(level)
	l.SetFormatter(formatter)
	l.SetReportCaller(c.LogFormat == FormatUnified)
	l.SetOutput(stderr)
	if path != "" {
		r := c.Log.File
		l.file = &lumberjack.Logger{Filename: path, MaxSize: r.MaxSize, MaxAge: r.MaxDays, MaxBackups: r.MaxBackups, LocalTime: true}
		if l.file.MaxSize == 0 {
			l.file.MaxSize = defaultMaxSize
		}
		if err := l.Reopen(); err != nil {
			return nil, err
		}
		l.SetOutput(l.file)
	}
	return l, nil
}

// ToStderr reports whether the log goes to stderr, where people may read it.
func (l *Logger) ToStderr() bool { return l.file == nil }

// Reopen closes the file and goes on in the one that has its name now: logrotate(8) moves
// the old one away and sends SIGHUP. Without a file it does nothing.
func (l *Logger) Reopen() error {
	if l.file == nil {
		return nil
	}
	// The file is made here: lumberjack would let only its owner read it, and would say at
	// the first line, not now, that it cannot be written to.
	f, err := os.OpenFile(l.file.Filename, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open log-file: %w", err)
	}
	return errors.Join(f.Close(), l.file.Close())
}

// SetLevelOf takes the level of another configuration.
func (l *Logger) SetLevelOf(c Config) error {
	level, err := c.level()
	if err == nil {
		l.SetLevel(level)
	}
	return err
}

// Close closes the file.
func (l *Logger) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// Flags adds the flags of the log to fs. level is the name of the flag for the log level, which
// programs call differently.
func (c *Config) Flags(fs *flag.FlagSet, level, defaultLevel string, defaultFormat Format) {
	fs.StringVar(&c.LogFile, "log-file", "", "`file` to log to instead of stderr; it is rotated as [log.file] of the configuration says, by default at 300 MiB")
	fs.StringVar(&c.LogLevel, level, defaultLevel, "log `level`: "+levelList)
	fs.StringVar((*string)(&c.LogFormat), "log-format", string(defaultFormat), "how log lines look: unified (TiDB's format), logfmt or json")
}

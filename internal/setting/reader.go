package setting

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// Reader reads the configuration of one program. Make it with [New].
type Reader struct {
	// Head is the first line of what -h prints.
	Head string
	// CheckOnly is -check-config: the program is to check its configuration, and not to run.
	CheckOnly bool

	flags *flag.FlagSet
	into  any
	env   string
	out   io.Writer
	file  string // -config
	show  string // -help-config
}

// New makes a reader of the flags, to which it adds -config, -check-config and -help-config. The file is decoded into into, a
// pointer to a struct with toml tags, whose fields are where flags keep their values; environment variables begin with env and
// an underscore. Help goes to out.
func New(flags *flag.FlagSet, into any, env string, out io.Writer) *Reader {
	r := &Reader{Head: "Flags of " + flags.Name() + ":", flags: flags, into: into, env: env, out: out}
	flags.SetOutput(io.Discard)
	flags.StringVar(&r.file, "config", "", "TOML `file`; what its keys are: -help-config")
	flags.BoolVar(&r.CheckOnly, "check-config", false, "check flags, environment variables and the file as far as it goes without network, print ok or every mistake, and exit with 0 or 2")
	flags.BoolFunc("help-config", "print a configuration file with every key, what it means and its default, and exit; =json: the same for programs", func(form string) error {
		if form != "true" && form != "json" {
			return errors.New("use -help-config or -help-config=json")
		}
		r.show = form
		return nil
	})
	return r
}

// File is the configuration file that was read; "": none.
func (r *Reader) File() string { return r.file }

// Read reads everything: what is on the command line wins over environment variables, these over the
// file, and the file over the flags' defaults. It returns a notice for each environment variable that was used. The
// error holds every mistake, each on a line of its own; it is flag.ErrHelp when help was asked for and
// printed.
func (r *Reader) Read(args []string) (notices []string, err error) {
	keys := r.Keys() // with the defaults
	if err := ParseFlags(r.flags, args); errors.Is(err, flag.ErrHelp) {
		return nil, r.help()
	} else if err != nil {
		return nil, err
	}
	var given []string
	r.flags.Visit(func(f *flag.Flag) { given = append(given, f.Name) })
	if r.show != "" {
		return nil, r.printKeys(keys)
	}
	if r.file == "" {
		r.file = os.Getenv(envName(r.env, "config"))
	}
	var inFile error
	if r.file != "" {
		inFile = r.readFile(r.file)
	}
	notices, inEnv := setFromEnv(r.flags, r.env, append(given, "config", "check-config", "help-config"))
	return notices, errors.Join(inFile, inEnv, ParseFlags(r.flags, args))
}

func (r *Reader) help() error {
	fmt.Fprintln(r.out, r.Head)
	PrintFlags(r.flags, r.out)
	return flag.ErrHelp
}

// PrintFlags prints the flags as package flag does.
func PrintFlags(fs *flag.FlagSet, to io.Writer) {
	fs.SetOutput(to)
	fs.PrintDefaults()
	fs.SetOutput(io.Discard)
}

func (r *Reader) printKeys(keys []Key) error {
	if r.show == "json" {
		enc := json.NewEncoder(r.out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(keys); err != nil {
			return err
		}
		return flag.ErrHelp
	}
	if err := writeSample(r.out, r.flags.Name(), keys); err != nil {
		return err
	}
	return flag.ErrHelp
}

package daemon

import (
	"errors"
	"flag"
	"fmt"

	"github.com/BurntSushi/toml"
)

// LoadTOML reads the file into config. A key that config has no place for is an error
// that names every such key, its line, and the key that may have been meant.
func LoadTOML(file string, config any) error {
	meta, err := toml.DecodeFile(file, config)
	if err != nil {
		var pe toml.ParseError
		if errors.As(err, &pe) {
			return fmt.Errorf("read %s: line %d: %s", file, pe.Position.Line, pe.Message)
		}
		return fmt.Errorf("read %s: %w", file, err)
	}
	if left := meta.Undecoded(); len(left) > 0 {
		names := make([]string, len(left))
		for i, k := range left {
			names[i] = k.String()
		}
		return unknownKeys(file, names, config)
	}
	return nil
}

// ParseWithFile parses args, reads the TOML file that the flag -config names (if it
// names one) into config, and parses args once more: what stands on the command line
// wins over the file, and the file over the flags' defaults. Flags of fs must point
// into config. Arguments that are no flags are an error.
func ParseWithFile(fs *flag.FlagSet, args []string, configFile *string, config any) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("%q is no flag: this command takes flags only, see -h", fs.Arg(0))
	}
	if *configFile == "" {
		return nil
	}
	if err := LoadTOML(*configFile, config); err != nil {
		return err
	}
	return fs.Parse(args)
}

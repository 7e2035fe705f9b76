package setting

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// readFile reads the TOML file. A key at the top that is the name of a flag sets that flag.
func (r *Reader) readFile(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	var raw map[string]any
	meta, err := toml.Decode(string(text), &raw)
	if err != nil {
		return decodeError(file, err)
	}
	names, err := r.check(file, keyLines(text), meta)
	if err != nil {
		return err
	}
	if _, err := toml.Decode(string(text), r.into); err != nil {
		return decodeError(file, err)
	}
	for _, name := range names {
		if err := setFlag(r.flags, name, fmt.Sprint(raw[name])); err != nil {
			return fmt.Errorf("%s: %s = %w", file, name, err)
		}
	}
	return nil
}

// decodeError is about a text that is not TOML, or a value that its key refuses.
func decodeError(file string, err error) error {
	var pe toml.ParseError
	switch {
	case !errors.As(err, &pe):
		return fmt.Errorf("%s: %w", file, err)
	case pe.Message == "" && pe.LastKey != "":
		return fmt.Errorf("%s: line %d: %s: %w", file, pe.Position.Line, pe.LastKey, errors.Unwrap(err))
	case pe.LastKey != "":
		return fmt.Errorf("%s: line %d: %s: %s", file, pe.Position.Line, pe.LastKey, pe.Message)
	}
	return fmt.Errorf("%s: line %d: %s", file, pe.Position.Line, pe.Message)
}

// check compares the keys of a file with those that there are. It returns those that are names of flags.
func (r *Reader) check(file string, lines map[string]int, meta toml.MetaData) (flags []string, err error) {
	var unknown []string
	var errs []error
	linked := r.linked()
	wrong := "\x00" // the start of keys inside a value that must not have any
	for _, key := range meta.Keys() {
		name := key.String()
		if strings.HasPrefix(name, wrong) {
			continue // part of a value, which may be a secret
		}
		at := fmt.Sprintf("line %d", lines[name])
		if t, ok := find(reflect.TypeOf(r.into), key); ok {
			if want := mismatch(t, meta.Type(key...)); want != "" {
				errs = append(errs, fmt.Errorf("%s: %s must be %s, %s has %s", file, name, want, at, typeWords(meta.Type(key...))))
				wrong = name + "."
			}
			continue
		}
		field, ok := linked[name]
		switch {
		case !ok:
			unknown = append(unknown, name)
		case meta.IsDefined(strings.Split(field.name, ".")...):
			errs = append(errs, fmt.Errorf("%s: %s (%s) and %s (line %d) are the same setting: keep one", file, name, at, field.name, lines[field.name]))
		default:
			if want := mismatch(field.t, meta.Type(key...)); want != "" {
				errs = append(errs, fmt.Errorf("%s: %s must be %s, %s has %s", file, name, want, at, typeWords(meta.Type(key...))))
				wrong = name + "."
			}
			flags = append(flags, name)
		}
	}
	if len(unknown) > 0 {
		errs = append(errs, unknownKeys(file, unknown, lines, r.into))
	}
	return flags, errors.Join(errs...)
}

// linkedField is the field that a flag sets.
type linkedField struct {
	name string
	t    reflect.Type
}

// linked are the keys by the names of flags that set them.
func (r *Reader) linked() map[string]linkedField {
	fields := map[string]linkedField{}
	byAddress := r.flagsByAddress()
	walk(reflect.ValueOf(r.into).Elem(), "", func(f field) {
		if f.leaf() && f.value.CanAddr() {
			for _, name := range byAddress[f.value.Addr().Pointer()] {
				fields[name] = linkedField{f.full(), f.value.Type()}
			}
		}
	})
	return fields
}

// find gives the type of what a key means in a struct.
func find(t reflect.Type, key []string) (reflect.Type, bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice && len(key) > 0 {
		t = t.Elem()
	}
	if len(key) == 0 || t.Kind() == reflect.Interface {
		return t, true
	}
	switch t.Kind() {
	case reflect.Map:
		return find(t.Elem(), key[1:])
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if name := tomlName(f); name != "" && strings.EqualFold(name, key[0]) {
				return find(f.Type, key[1:])
			} else if f.Anonymous && name == "" {
				if in, ok := find(f.Type, key); ok {
					return in, true
				}
			}
		}
	}
	return nil, false
}

// mismatch says what a value must be when one of TOML's type have does not do; "": it does.
func mismatch(t reflect.Type, have string) string {
	if decodesItself(t) {
		return ""
	}
	want := ""
	var good []string
	switch t.Kind() {
	case reflect.String:
		want, good = `a text in quotes`, []string{"String"}
	case reflect.Bool:
		want, good = "true or false", []string{"Bool"}
	case reflect.Int, reflect.Int64, reflect.Uint, reflect.Uint64:
		want, good = "a whole number", []string{"Integer"}
	case reflect.Slice:
		want, good = `a list such as ["a", "b"]`, []string{"Array"}
		if t.Elem().Kind() == reflect.Struct {
			want, good = "a section in double brackets, [[…]]", []string{"ArrayHash", "Array"}
		}
	case reflect.Struct, reflect.Map:
		want, good = "a section, […]", []string{"Hash"}
	}
	if want == "" || slices.Contains(good, have) {
		return ""
	}
	return want
}

func typeWords(toml string) string {
	switch toml {
	case "String":
		return "a text"
	case "Integer":
		return "a whole number"
	case "Float":
		return "a number with a fraction"
	case "Bool":
		return "true or false"
	case "Datetime":
		return "a date"
	case "Array":
		return "a list"
	case "Hash":
		return "a section"
	case "ArrayHash":
		return "a section in double brackets"
	}
	return "something else"
}

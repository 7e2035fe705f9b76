package setting

import (
	"encoding"
	"flag"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// Key is a key of a configuration file, as its reference has it.
type Key struct {
	Section string   `json:"section"`           // syncer.to; "": before the first section
	List    bool     `json:"list,omitempty"`    // this is about a section that can come more than once: [[section]]
	Name    string   `json:"name"`              // "": this is about the section
	Type    string   `json:"type,omitempty"`    // text, whole number, true or false, time, list of texts
	Value   string   `json:"value,omitempty"`   // what it is: seconds, host:port, directory
	Default string   `json:"default,omitempty"` // as TOML
	Example string   `json:"example,omitempty"` // as TOML
	Sample  string   `json:"sample,omitempty"`  // as TOML: what the sample file sets
	Meaning string   `json:"meaning,omitempty"`
	Flags   []string `json:"flags,omitempty"` // that set the same
	Old     string   `json:"old,omitempty"`   // what became of a key that is only accepted

	inList bool // it is in a section that can come more than once, or is one
}

// Keys lists every key, in the order of the declarations, sections last. Defaults are what the fields
// hold now.
func (r *Reader) Keys() []Key {
	var keys []Key
	byAddress := r.flagsByAddress()
	walk(reflect.ValueOf(r.into).Elem(), "", func(f field) {
		tag := f.Tag
		k := Key{Section: f.section, Name: f.name, inList: f.list, Default: tag.Get("default"), Example: tag.Get("example"), Sample: tag.Get("sample"),
			Meaning: tag.Get("doc"), Value: tag.Get("value"), Old: tag.Get("old")}
		if !f.leaf() {
			if k.Meaning == "" {
				return // it holds only sections
			}
			k.Section, k.Name, k.List, k.inList = f.full(), "", f.value.Kind() == reflect.Slice, f.list || f.isList()
			if f.namesFollow() {
				k.Section += ".NAME"
			}
			keys = append(keys, k)
			return
		}
		k.Type = valueType(f.value.Type())
		if k.Default == "" && k.Example == "" {
			k.Default = valueText(f.value)
		}
		if f.value.CanAddr() {
			for _, name := range byAddress[f.value.Addr().Pointer()] {
				k.Flags = append(k.Flags, name)
				value, usage := flag.UnquoteUsage(r.flags.Lookup(name))
				if strings.HasPrefix(usage, "the same as -") || k.Meaning != "" {
					continue
				}
				k.Meaning = usage
				if !isGeneric(value) {
					k.Value = value
				}
			}
		}
		keys = append(keys, k)
	})
	return keys
}

// isGeneric reports whether package flag made up the name of a value from its type.
func isGeneric(value string) bool {
	switch value {
	case "", "string", "int", "uint", "value", "duration", "float":
		return true
	}
	return false
}

// field is a key or a section of the configuration.
type field struct {
	reflect.StructField
	section string
	name    string
	value   reflect.Value
	list    bool // it is in a section that can come more than once
}

// walk calls tell for every key and section, keys before the sections beside them.
func walk(v reflect.Value, section string, tell func(field)) { walkIn(v, section, false, tell) }

func walkIn(v reflect.Value, section string, list bool, tell func(field)) {
	var sections []field
	for _, f := range fieldsOf(v, section, list) {
		if f.leaf() {
			tell(f)
		} else {
			sections = append(sections, f)
		}
	}
	for _, s := range sections {
		tell(s)
		inner, prefix := s.inner(), s.full()
		if s.namesFollow() {
			prefix += ".NAME"
		}
		if inner.Kind() == reflect.Struct {
			walkIn(inner, prefix, list || s.isList(), tell)
		}
	}
}

// fieldsOf are the keys and sections of a struct, with those of structs embedded in it.
func fieldsOf(v reflect.Value, section string, list bool) (fields []field) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if name := tomlName(f); name != "" {
			fields = append(fields, field{f, section, name, v.Field(i), list})
		} else if f.Anonymous {
			fields = append(fields, fieldsOf(v.Field(i), section, list)...)
		}
	}
	return fields
}

// leaf reports whether this is a key, not a section.
func (f field) leaf() bool {
	t := f.value.Type()
	switch {
	case decodesItself(t) || t.Kind() == reflect.Interface:
		return true
	case t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer:
		return t.Elem().Kind() != reflect.Struct
	case t.Kind() == reflect.Map:
		return t.Elem().Kind() == reflect.Interface
	}
	return t.Kind() != reflect.Struct
}

// isList reports whether the section can come more than once.
func (f field) isList() bool { return f.value.Kind() == reflect.Slice || f.namesFollow() }

// namesFollow reports whether a name of the operator's own is part of the section's name.
func (f field) namesFollow() bool {
	return f.value.Kind() == reflect.Map && f.inner().Kind() == reflect.Struct
}

// inner is what the section holds, or one of what it holds.
func (f field) inner() reflect.Value {
	switch f.value.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer:
		return reflect.New(f.value.Type().Elem()).Elem()
	}
	return f.value
}

func (f field) full() string {
	if f.section == "" {
		return f.name
	}
	return f.section + "." + f.name
}

func tomlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
	if name == "-" {
		return ""
	}
	return name
}

// decodesItself reports whether a type has a TOML form of its own.
func decodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) || p.Implements(reflect.TypeFor[toml.Unmarshaler]())
}

// flagsByAddress are the names of flags by the address of the variable that they set.
func (r *Reader) flagsByAddress() map[uintptr][]string {
	names := map[uintptr][]string{}
	r.flags.VisitAll(func(f *flag.Flag) {
		if v := reflect.ValueOf(f.Value); v.Kind() == reflect.Pointer {
			names[v.Pointer()] = append(names[v.Pointer()], f.Name)
		}
	})
	return names
}

func valueType(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return "time"
	case decodesItself(t):
		return ""
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64:
		return "whole number"
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String:
		return "list of texts"
	case t.Kind() == reflect.Slice:
		return "list of whole numbers"
	}
	return ""
}

// valueText is a value as TOML; "": there is none.
func valueText(v reflect.Value) string {
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return strconv.Quote(s.String())
	}
	switch v.Kind() {
	case reflect.String:
		if v.Len() > 0 {
			return strconv.Quote(v.String())
		}
	case reflect.Bool, reflect.Int, reflect.Int64:
		return fmt.Sprint(v.Interface())
	}
	return ""
}

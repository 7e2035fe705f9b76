package setting

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"pumphouse/internal/secret"
)

// Shown gives what a configuration holds by its TOML keys, those of sections with a dot, as it may be
// shown: passwords are masked, and so is what stands before the @ of URLs and data source names.
// config is a pointer to a struct with toml tags.
func Shown(config any) map[string]any {
	into := map[string]any{}
	show(reflect.ValueOf(config), "", into)
	return into
}

func show(v reflect.Value, prefix string, into map[string]any) {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		switch {
		case f.Anonymous && name == "":
			show(v.Field(i), prefix, into)
		case name == "" || name == "-" || !f.IsExported():
		default:
			showKey(prefix+name, v.Field(i), into)
		}
	}
}

// showKey adds one key, or those of a section.
func showKey(key string, v reflect.Value, into map[string]any) {
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if isSection(v) {
		show(v, key+".", into)
		return
	}
	if shown := value(key, v); shown != nil {
		into[key] = shown
	}
}

func isSection(v reflect.Value) bool {
	_, text := textOf(v)
	return v.Kind() == reflect.Struct && !text
}

// textOf is a value as it writes itself, if it does.
func textOf(v reflect.Value) (string, bool) {
	if v.CanAddr() {
		v = v.Addr()
	}
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String(), true
	}
	return "", false
}

// value is one value without secrets, as JSON can write it; nil: there is none.
func value(key string, v reflect.Value) any {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	text, isText := textOf(v)
	switch {
	case secretName(key) && v.Kind() != reflect.String && !v.IsZero():
		return secret.Masked
	case isText:
		return mask(key, text)
	case v.Kind() == reflect.String:
		return mask(key, v.String())
	case v.Kind() == reflect.Struct:
		section := map[string]any{}
		show(v, "", section)
		return section
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Array:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = value(key, v.Index(i))
		}
		return list
	case v.Kind() == reflect.Map:
		section := map[string]any{}
		for _, k := range v.MapKeys() {
			name := fmt.Sprint(k.Interface())
			section[mask("", name)] = value(name, v.MapIndex(k))
		}
		return section
	}
	return v.Interface()
}

// secretName reports whether the values of a key are secrets. Keys of TLS are names of files.
func secretName(key string) bool {
	key = strings.ToLower(key)
	return slices.ContainsFunc([]string{"password", "passwd", "pswd", "pwd", "secret", "token", "credential"}, func(word string) bool { return strings.Contains(key, word) })
}

// mask masks a text: all of it where the key says so, else what may be a password in it.
func mask(key, text string) string {
	if text != "" && secretName(key) {
		return secret.Masked
	}
	return secret.MaskPassword(text)
}

// ShownText is the configuration in one line of JSON, for a log.
func ShownText(shown map[string]any) string {
	b, err := json.Marshal(shown)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Changed lists the keys that two configurations have with other values, sorted.
func Changed(a, b map[string]any) []string {
	var keys []string
	for k, v := range b {
		if !reflect.DeepEqual(a[k], v) {
			keys = append(keys, k)
		}
	}
	for k := range a {
		if _, ok := b[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

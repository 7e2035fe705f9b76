// Package secrettest looks for secrets in what programs show of their configurations.
package secrettest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// secret is what must not be seen, and what is hard to see: it holds what separates the parts of a URL.
const secret = "s3cr:t/w@rd,%41"

// Hidden puts a secret into every text of a configuration, in every way in which a text can have one, and
// fails when the text that show gives of it has it. config is a pointer to a struct with toml tags.
func Hidden(t *testing.T, config any, show func(config any) map[string]any) {
	t.Helper()
	for _, form := range []string{"%s", "mysql://root:%s@h:3306/db", "root:%s@tcp(h:3306)/db", "http://u:%s@h1,http://v:%s@h2", "user:%s@h"} {
		n := 0
		fill(reflect.ValueOf(config).Elem(), "", func(key string) string {
			n++
			if form == "%s" && !strings.Contains(strings.ToLower(key), "password") {
				return ""
			}
			return strings.ReplaceAll(form, "%s", secret)
		})
		if n < 10 {
			t.Fatalf("only %d texts in the configuration", n)
		}
		b, err := json.Marshal(show(config))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{secret, "s3cr", "w@rd", "t/w"} {
			if i := strings.Index(string(b), part); i >= 0 {
				t.Errorf("%s: the secret is shown: …%s…", form, b[max(0, i-80):min(len(b), i+40)])
			}
		}
	}
}

// fill sets every text below v that has a TOML key to what text gives for it.
func fill(v reflect.Value, key string, text func(key string) string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text(key))
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		fill(v.Elem(), key, text)
	case reflect.Interface:
		if v.NumMethod() == 0 {
			v.Set(reflect.ValueOf(map[string]any{"password": text("password"), "x": []any{text(key)}}))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), key, text)
		}
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			panic(fmt.Sprint("a map of ", v.Type().Key()))
		}
		v.Set(reflect.MakeMap(v.Type()))
		for _, name := range []string{"password", "name"} {
			e := reflect.New(v.Type().Elem()).Elem()
			fill(e, name, text)
			v.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), e)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
			if (name != "" || f.Anonymous) && name != "-" && f.IsExported() {
				fill(v.Field(i), name, text)
			}
		}
	}
}

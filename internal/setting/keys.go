package setting

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// unknownKeys is the error about keys of a TOML file that config has no place for: where each is,
// and the key that may have been meant.
func unknownKeys(file string, keys []string, lines map[string]int, config any) error {
	known := map[string]bool{}
	knownKeys(reflect.TypeOf(config), "", known)
	keys = slices.DeleteFunc(slices.Clone(keys), func(key string) bool { // of a section that is unknown itself
		return slices.ContainsFunc(keys, func(section string) bool { return strings.HasPrefix(key, section+".") })
	})
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(lines[a], lines[b]), cmp.Compare(a, b)) })
	var list []string
	for _, key := range keys {
		s := key
		if n := lines[key]; n > 0 {
			s += fmt.Sprintf(" (line %d)", n)
		}
		if near := nearest(key, known); near != "" {
			s += fmt.Sprintf(", did you mean %s?", near)
		}
		list = append(list, s)
	}
	return fmt.Errorf("%s: unknown key %s: remove it or correct its name", file, strings.Join(list, "; "))
}

// keyLines finds the line of each key and section of a TOML text, as far as a look at its lines tells.
func keyLines(text []byte) map[string]int {
	at, section, n := map[string]int{}, "", 0
	for line := range bytes.Lines(text) {
		n++
		s := strings.TrimSpace(string(line))
		if name, ok := strings.CutPrefix(s, "["); ok {
			name, _, _ = strings.Cut(strings.TrimPrefix(name, "["), "]")
			section = strings.TrimSpace(name) + "."
			s = name
		} else if name, _, ok := strings.Cut(s, "="); ok && !strings.HasPrefix(s, "#") {
			s = section + strings.Trim(strings.TrimSpace(name), `"'`)
		} else {
			continue
		}
		if at[s] == 0 {
			at[s] = n
		}
	}
	return at
}

// knownKeys collects the keys of a configuration, those of sections with a dot.
func knownKeys(t reflect.Type, prefix string, into map[string]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		switch {
		case f.Anonymous && name == "":
			knownKeys(f.Type, prefix, into)
		case name != "" && name != "-":
			into[prefix+name] = true
			knownKeys(f.Type, prefix+name+".", into)
		}
	}
}

// nearest is the known key that is most like one, in its own section or in another; empty when
// none is like it.
func nearest(key string, known map[string]bool) string {
	name := lastPart(key)
	best, least := "", len(name)/3+1
	for _, k := range slices.Sorted(maps.Keys(known)) {
		if d := min(distance(key, k), distance(name, lastPart(k))); d < least {
			best, least = k, d
		}
	}
	return best
}

func lastPart(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// distance is how many characters are to be added, removed or changed to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

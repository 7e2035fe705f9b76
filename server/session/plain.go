package session

import (
	"strconv"

	"pumphouse/server/engine"
)

// plain is a value as text.
func plain(v engine.Value) string {
	switch v.Kind() {
	case engine.KindInt:
		return strconv.FormatInt(v.Int(), 10)
	case engine.KindUint:
		return strconv.FormatUint(v.Uint(), 10)
	case engine.KindFloat:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	}
	return v.Str()
}

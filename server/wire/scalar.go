package wire

import (
	"strconv"
	"time"

	"pumphouse/server/engine"
)

// appendScalar appends a value's text as the text protocol sends it.
func appendScalar(b []byte, v engine.Value) []byte {
	switch v.Kind() {
	case engine.KindInt:
		return strconv.AppendInt(b, v.Int(), 10)
	case engine.KindUint:
		return strconv.AppendUint(b, v.Uint(), 10)
	case engine.KindFloat:
		return strconv.AppendFloat(b, v.Float(), 'g', -1, 64)
	case engine.KindDate:
		return v.Time().AppendFormat(b, time.DateOnly)
	case engine.KindDatetime:
		return v.Time().AppendFormat(b, time.DateTime)
	}
	return append(b, v.Str()...)
}

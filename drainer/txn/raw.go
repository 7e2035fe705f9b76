package txn

import (
	"encoding/binary"
	"math"
)

// The flags of codec.EncodeValue.
const (
	flagNil          = 0
	flagBytes        = 1
	flagCompactBytes = 2
	flagInt          = 3
	flagUint         = 4
	flagFloat        = 5
	flagDecimal      = 6
	flagDuration     = 7
	flagVarint       = 8
	flagUvarint      = 9
	flagJSON         = 10
)

// raw is one encoded value, of which the column's type is not known yet.
type raw struct {
	form  form
	num   uint64
	bytes []byte
}

// form is what a raw holds: flags that say the same are one.
type form uint8

const (
	rawNull form = iota
	rawInt
	rawUint
	rawFloat
	rawBytes
	rawDecimal // bytes: precision, fraction digits, digits
	rawDuration
	rawJSON // bytes: type, value
)

func (f form) String() string {
	return [...]string{"NULL", "an integer", "an unsigned integer", "a float", "bytes", "a decimal", "a duration", "JSON"}[f]
}

// next reads one value and gives the rest.
func next(b []byte) (raw, []byte, error) {
	if len(b) == 0 {
		return raw{}, nil, corrupt("a value is expected where the row ends")
	}
	flag, b := b[0], b[1:]
	switch flag {
	case flagNil:
		return raw{}, b, nil
	case flagVarint:
		v, n := binary.Varint(b)
		if n <= 0 {
			return raw{}, nil, corrupt("an integer is cut off")
		}
		return raw{form: rawInt, num: uint64(v)}, b[n:], nil
	case flagUvarint:
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return raw{}, nil, corrupt("an unsigned integer is cut off")
		}
		return raw{form: rawUint, num: v}, b[n:], nil
	case flagCompactBytes:
		v, n := binary.Varint(b)
		if n <= 0 || v < 0 || v > int64(len(b)-n) {
			return raw{}, nil, corrupt("bytes are cut off")
		}
		end := n + int(v)
		return raw{form: rawBytes, bytes: b[n:end:end]}, b[end:], nil
	case flagBytes:
		return nextGroups(b)
	case flagDecimal:
		size, err := decimalSize(b)
		if err != nil {
			return raw{}, nil, err
		}
		return raw{form: rawDecimal, bytes: b[:size:size]}, b[size:], nil
	case flagJSON:
		size, err := jsonSize(b)
		if err != nil {
			return raw{}, nil, err
		}
		return raw{form: rawJSON, bytes: b[:size:size]}, b[size:], nil
	}
	return nextFixed(flag, b)
}

// nextFixed reads the forms of eight bytes.
func nextFixed(flag byte, b []byte) (raw, []byte, error) {
	if flag != flagInt && flag != flagUint && flag != flagFloat && flag != flagDuration {
		return raw{}, nil, corrupt("there is no kind of value %d", flag)
	}
	if len(b) < 8 {
		return raw{}, nil, corrupt("a number is cut off")
	}
	const sign = 1 << 63
	n, b := binary.BigEndian.Uint64(b), b[8:]
	switch flag {
	case flagInt:
		return raw{form: rawInt, num: n ^ sign}, b, nil
	case flagDuration:
		return raw{form: rawDuration, num: n ^ sign}, b, nil
	case flagFloat:
		if n&sign != 0 {
			n ^= sign
		} else {
			n = ^n
		}
		if f := math.Float64frombits(n); math.IsNaN(f) || math.IsInf(f, 0) {
			return raw{}, nil, corrupt("a float is no number")
		}
		return raw{form: rawFloat, num: n}, b, nil
	}
	return raw{form: rawUint, num: n}, b, nil
}

// nextGroups reads bytes in the form of keys: groups of eight, filled with zeros, each followed
// by 255 less the number of bytes filled in; the first one with fillers is the last.
func nextGroups(b []byte) (raw, []byte, error) {
	var data []byte
	for {
		if len(b) < 9 {
			return raw{}, nil, corrupt("bytes are cut off")
		}
		fill := int(255 - b[8])
		if fill > 8 {
			return raw{}, nil, corrupt("bytes have no end")
		}
		for _, c := range b[8-fill : 8] {
			if c != 0 {
				return raw{}, nil, corrupt("bytes have no end")
			}
		}
		data = append(data, b[:8-fill]...)
		b = b[9:]
		if fill > 0 {
			return raw{form: rawBytes, bytes: data}, b, nil
		}
	}
}

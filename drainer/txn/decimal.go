package txn

import "encoding/binary"

// digitBytes is how many bytes a group of so many decimal digits takes in MySQL's binary form.
var digitBytes = [...]int{0, 1, 1, 2, 2, 3, 3, 4, 4, 4}

const (
	groupDigits  = 9  // digits in a full group
	maxPrecision = 81 // MySQL's decimals have 65 digits; its calculations a few more
)

// decimalSize is the size of the decimal at the beginning of b: precision, fraction, digits.
func decimalSize(b []byte) (int, error) {
	if len(b) < 2 {
		return 0, corrupt("a decimal is cut off")
	}
	precision, fraction := int(b[0]), int(b[1])
	if precision == 0 || precision > maxPrecision || fraction > precision {
		return 0, corrupt("a decimal has %d digits, %d of them in its fraction", precision, fraction)
	}
	size := 2 + partSize(precision-fraction) + partSize(fraction)
	if len(b) < size {
		return 0, corrupt("a decimal is cut off")
	}
	return size, nil
}

func partSize(digits int) int {
	return digits/groupDigits*4 + digitBytes[digits%groupDigits]
}

// appendDecimal appends the text of a decimal that decimalSize has measured. The integer part
// is groups of nine digits, big-endian, the first one shorter; the fraction the same with the
// last one shorter. The first bit is inverted; in a negative number all others are too.
func appendDecimal(dst, b []byte) ([]byte, error) {
	fraction := int(b[1])
	whole := int(b[0]) - fraction
	d := decimalReader{digits: b[2:], negative: b[2]&0x80 == 0}
	start := len(dst)
	if d.negative {
		dst = append(dst, '-')
	}
	dst = append(dst, '0') // for an integer part without digits; trimmed
	first := len(dst) - 1
	dst = d.group(dst, whole%groupDigits)
	for range whole / groupDigits {
		dst = d.group(dst, groupDigits)
	}
	zeros := 0 // leading ones, of which one stays if it is the only digit
	for zeros < len(dst)-first-1 && dst[first+zeros] == '0' {
		zeros++
	}
	dst = append(dst[:first], dst[first+zeros:]...)
	if fraction > 0 {
		dst = append(dst, '.')
		for range fraction / groupDigits {
			dst = d.group(dst, groupDigits)
		}
		dst = d.group(dst, fraction%groupDigits)
	}
	if d.bad {
		return dst[:start], corrupt("a decimal has digits above 9")
	}
	return dst, nil
}

type decimalReader struct {
	digits   []byte
	read     bool // the first byte was
	negative bool
	bad      bool
}

// group appends a group of n digits.
func (d *decimalReader) group(dst []byte, n int) []byte {
	size := digitBytes[n]
	if size == 0 {
		return dst
	}
	var word [4]byte
	copy(word[4-size:], d.digits[:size])
	d.digits = d.digits[size:]
	if !d.read {
		word[4-size] ^= 0x80
		d.read = true
	}
	v := binary.BigEndian.Uint32(word[:])
	if d.negative {
		v ^= 1<<(8*uint(size)) - 1 // all ones for four bytes: the shift gives 0
	}
	var text [groupDigits]byte
	for i := n - 1; i >= 0; i-- {
		text[i] = byte('0' + v%10)
		v /= 10
	}
	d.bad = d.bad || v != 0
	return append(dst, text[:n]...)
}

package wire

import "testing"

func TestTextsThereAndBack(t *testing.T) {
	for _, c := range []struct{ charset, text, bytes string }{
		{"utf8mb4", "é中😀", "é中😀"},
		{"UTF8MB3", "é中", "é中"},
		{"latin1", "é€", "\xe9\x80"},
		{"gbk", "中文", "\xd6\xd0\xce\xc4"},
		{"gb18030", "😀", "\x94\x39\xfc\x36"},
		{"ascii", "plain", "plain"},
		{"binary", "é", "é"},
	} {
		cs, ok := LookupCharset(c.charset)
		if !ok {
			t.Errorf("%s is unknown", c.charset)
			continue
		}
		if got := string(cs.append(nil, c.text)); got != c.bytes {
			t.Errorf("%s: %q goes out as %x, want %x", c.charset, c.text, got, c.bytes)
		}
		if got := cs.Decode([]byte(c.bytes)); got != c.text {
			t.Errorf("%s: %x comes in as %q, want %q", c.charset, c.bytes, got, c.text)
		}
	}
	for charset, want := range map[string]string{"utf8": "é中?", "latin1": "\xe9??", "ascii": "???", "gbk": "\xa8\xa6\xd6\xd0?"} {
		cs, _ := LookupCharset(charset)
		if got := string(cs.append(nil, "é中😀")); got != want {
			t.Errorf("%s: got %x, want %x", charset, got, want)
		}
	}
	if _, ok := LookupCharset("klingon"); ok {
		t.Error("an unknown character set was found")
	}
}

// TestColumnsAreDescribedInTheClientsCharset: a text has as many bytes a character as the
// client's character set, whatever its own is; clients decode by what is said here.
func TestColumnsAreDescribedInTheClientsCharset(t *testing.T) {
	for _, c := range []struct {
		charset           string
		collation, wantID uint16
		length, want      uint32
	}{
		{"utf8mb4", 255, 255, 256, 256}, {"utf8mb4", 33, 45, 192, 256}, {"utf8", 33, 33, 192, 192}, {"utf8", 255, 33, 256, 192},
		{"latin1", 33, 8, 192, 64}, {"latin1", 255, 8, 256, 64}, {"binary", 33, 33, 192, 192}, {"latin1", 63, 63, 10, 10},
		{"utf8mb4", 33, 45, 1<<32 - 1, 1<<32 - 1},
		{"utf8mb4", 8, 45, 10, 40}, {"utf8mb4", 47, 45, 10, 40}, {"utf8mb4", 28, 45, 20, 40}, {"binary", 47, 45, 10, 40},
		{"latin1", 47, 47, 10, 10}, {"gbk", 47, 28, 10, 20}, {"latin1", 28, 8, 20, 10},
	} {
		cs, _ := LookupCharset(c.charset)
		if id, length := cs.columnMeta(c.collation, c.length); id != c.wantID || length != c.want {
			t.Errorf("%s: collation %d of %d bytes is %d of %d, want %d of %d", c.charset, c.collation, c.length, id, length, c.wantID, c.want)
		}
	}
}

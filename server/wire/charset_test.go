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

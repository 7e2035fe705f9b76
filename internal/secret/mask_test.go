package secret

import (
	"strings"
	"testing"
	"unicode"
)

// FuzzRedact: no part of a password is left of a text that has it in an address, whatever characters it has; a text without an address stays
// as it is, and masking twice is masking once.
func FuzzRedact(f *testing.F) {
	f.Add("secret", "cannot reach ", ": refused")
	f.Add("s3cr:t/w@rd,%41", "apply to ", " at 08:45:01 (10.0.0.5:2379)")
	f.Add("a@b", "", "/x@y")
	f.Add("://@", "dial tcp 127.0.0.1:3306 ", "")
	f.Fuzz(func(t *testing.T, password, before, after string) {
		const mark = "\u2042" // nothing else in the text has it
		if strings.ContainsFunc(password, unicode.IsSpace) || strings.Contains(password+before+after, mark) {
			return // a password with white space is hidden only where the node knows it
		}
		secret := mark + password + mark
		for _, form := range []string{"http://root:%s@10.0.0.5:2379", "mysql://root:%s@h:3306/db", "root:%s@tcp(h:3306)/db", "http://u:%s@h1,http://v:%s@h2"} {
			text := before + " " + strings.ReplaceAll(form, "%s", secret) + " " + after
			got := Redact(text, nil)
			if strings.Contains(got, mark) {
				t.Errorf("%q becomes %q", text, got)
			}
			if again := Redact(got, nil); again != got {
				t.Errorf("%q becomes %q, and that %q", text, got, again)
			}
			if known := Redact(before+secret+after, []string{secret}); strings.Contains(known, mark) {
				t.Errorf("a known secret is in %q", known)
			}
		}
		if plain := strings.ReplaceAll(before, "@", ""); Redact(plain, nil) != plain {
			t.Errorf("%q becomes %q", plain, Redact(plain, nil))
		}
	})
}

package secret

import (
	"strings"
	"unicode"
)

// Masked stands where a secret was.
const Masked = "***"

// MaskPassword masks what may be a password in a URL (scheme://user:password@host), in a list of them or in a MySQL data source name
// (user:password@tcp(host)): from the first colon, that of the scheme does not count, up to the last @. A password may have any
// character, so this hides rather more than less.
func MaskPassword(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address
	}
	from := 0
	if scheme := strings.IndexByte(address[:at], ':'); scheme >= 0 && strings.HasPrefix(address[scheme:at], "://") {
		from = scheme + len("://")
	}
	i := strings.IndexByte(address[from:at], ':')
	if i < 0 {
		return address
	}
	return address[:from+i+1] + Masked + address[at:]
}

// Redact removes secrets, and what MaskPassword masks in each of its words, from a text.
func Redact(text string, secrets []string) string {
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, Masked)
		}
	}
	if !strings.Contains(text, "@") {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		end := strings.IndexFunc(text, unicode.IsSpace)
		if end < 0 {
			end = len(text)
		}
		b.WriteString(MaskPassword(text[:end]))
		rest := strings.TrimLeftFunc(text[end:], unicode.IsSpace)
		b.WriteString(text[end : len(text)-len(rest)])
		text = rest
	}
	return b.String()
}

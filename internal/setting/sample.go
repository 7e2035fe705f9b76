package setting

import (
	"fmt"
	"io"
	"strings"
)

// sampleWidth is where comments of the sample file are broken.
const sampleWidth = 110

// writeSample writes a configuration file with every key. Comments begin with "# ", keys that are not set with
// "#" alone, so that taking that away sets them.
func writeSample(w io.Writer, program string, keys []Key) error {
	var b strings.Builder
	comment(&b, fmt.Sprintf("Configuration of %s, for -config. Every key is here: those that begin with # are not set, and show the default or an example. "+
		"Printed by `%s -help-config`; %s -check-config -config FILE checks a file.", program, program, program))
	for _, k := range keys {
		if k.Old != "" {
			continue
		}
		b.WriteString("\n")
		if k.Name == "" {
			comment(&b, k.Meaning)
			b.WriteString(k.head() + "\n")
			if k.Example != "" {
				b.WriteString("#" + k.Example + "\n")
			}
			continue
		}
		comment(&b, k.about())
		switch {
		case k.Sample != "":
			fmt.Fprintf(&b, "%s = %s\n", k.Name, k.Sample)
		default:
			fmt.Fprintf(&b, "#%s = %s\n", k.Name, k.shown())
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// head is the line that begins a section; a comment for those that can come more than once.
func (k Key) head() string {
	switch {
	case k.List:
		return "#[[" + k.Section + "]]"
	case k.inList:
		return "#[" + k.Section + "]"
	}
	return "[" + k.Section + "]"
}

// about is the key's comment.
func (k Key) about() string {
	text := k.Meaning
	if len(k.Flags) > 0 {
		text += " (-" + strings.Join(k.Flags, ", -") + ")"
	}
	return text
}

// shown is the default, an example, or the empty value.
func (k Key) shown() string {
	switch {
	case k.Default != "":
		return k.Default
	case k.Example != "":
		return k.Example
	case k.Type == "text" || k.Type == "time":
		return `""`
	case strings.HasPrefix(k.Type, "list"):
		return "[]"
	case k.Type == "true or false":
		return "false"
	}
	return "0"
}

// comment writes text as comment lines.
func comment(b *strings.Builder, text string) {
	line := "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > sampleWidth && line != "#" {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	if line != "#" {
		b.WriteString(line + "\n")
	}
}

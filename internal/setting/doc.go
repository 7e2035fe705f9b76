// Package setting reads a program's configuration: flags over environment variables over a TOML
// file over defaults. A program declares a flag.FlagSet and a struct with toml tags; a flag and a key
// that share a variable are one setting under two names, and the file takes either name. Every mistake
// is reported in one go, with the file, the line, and the name that may have been meant.
//
// The same declarations document the program: [Reader.Keys] lists what the file can have, from which
// the sample file (-help-config), manual pages and docs/configuration.md are made. What a key means is
// the usage text of its flag, or, for a key without a flag, the tag doc. Further tags:
//
//	default  what an empty or zero value means, as TOML, where the code that uses it decides
//	example  a value to show, as TOML, where there is no default worth showing
//	sample   a value that the sample file sets, as TOML; other keys are comments there
//	value    what the value is: seconds, host:port, directory
//	old      the key is accepted from old configurations: what became of it
package setting

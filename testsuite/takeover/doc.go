// Package takeover replaces upstream's programs by ours in place, with what upstream's wrote.
package takeover

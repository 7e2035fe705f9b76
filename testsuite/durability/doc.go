// Package durability runs pump and drainer under strace: what they answer, save or name is on disk before.
package durability

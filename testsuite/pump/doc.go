// Package pump tests the program pump: its states, its API, peers that misbehave, TiDB that writes to it,
// and what TiKV knows of transactions.
package pump

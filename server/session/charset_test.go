package session

import "testing"

// TestHandshakeCollation: the charset of a session follows the collation ID of the
// handshake; what the console does not speak counts as utf8mb4, as in MySQL.
func TestHandshakeCollation(t *testing.T) {
	for id, want := range map[uint16]struct{ charset, collation string }{
		255: {"utf8mb4", "utf8mb4_0900_ai_ci"},
		45:  {"utf8mb4", "utf8mb4_general_ci"},
		33:  {"utf8", "utf8_general_ci"},
		8:   {"latin1", "latin1_swedish_ci"},
		28:  {"gbk", "gbk_chinese_ci"},
		63:  {"binary", "binary"},
		26:  {"utf8mb4", "utf8mb4_0900_ai_ci"}, // cp1250
		0:   {"utf8mb4", "utf8mb4_0900_ai_ci"},
		999: {"utf8mb4", "utf8mb4_0900_ai_ci"},
	} {
		s := New(testOptions(), 1, admin)
		s.SetCollation(id)
		if s.ClientCharset() != want.charset || s.ResultCharset() != want.charset || s.vars.ConnCollation != want.collation {
			t.Errorf("collation %d: client %s, results %s, collation %s, want %v",
				id, s.ClientCharset(), s.ResultCharset(), s.vars.ConnCollation, want)
		}
	}
}

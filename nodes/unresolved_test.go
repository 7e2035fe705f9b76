package nodes

import "testing"

func TestKeyText(t *testing.T) {
	for key, want := range map[string]string{
		"74800000000000002c5f728000000000000011":         "table 44, row 17",
		"74800000000000002c5f727fffffffffffffff":         "table 44, row -1",
		"74800000000000002c5f72016162630000000000fa":     "table 44, row 0x016162630000000000fa",
		"74800000000000002c5f69800000000000000203800005": "table 44, index 2, 0x03800005",
		"74800000000000002c":                             `"t\x80\x00\x00\x00\x00\x00\x00,"`,
		"6b6579":                                         `"key"`,
		"":                                               `""`,
		"not hex":                                        `"not hex"`,
	} {
		if got := (UnresolvedTxn{Key: key}).KeyText(); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

func TestTableText(t *testing.T) {
	if got := (UnresolvedTxn{Tables: []int64{42, 44}, Partial: true}).TableText(); got != "42, 44, …" {
		t.Error(got)
	}
}

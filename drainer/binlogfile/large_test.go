package binlogfile

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"pumphouse/testsuite/tidbtest/golden"
)

// TestLargeRecord: the record of a large transaction is byte for byte the one of the same rows at once.
func TestLargeRecord(t *testing.T) {
	for _, year := range golden.Years() {
		t.Run(fmt.Sprint(year), func(t *testing.T) {
			data, err := golden.Load(year)
			if err != nil {
				t.Fatal(err)
			}
			large, e, compared := data.LargeTransactions(t), NewEncoder(), 0
			for i, x := range data.Transactions(t) {
				if large[i].Large == nil {
					continue
				}
				var got bytes.Buffer
				n, err := e.Write(&got, large[i])
				if err != nil || n != int64(got.Len()) {
					t.Fatalf("commit TS %s: %d bytes, it says %d, %v", x.CommitTS, got.Len(), n, err)
				}
				if want := e.Append(nil, x); !bytes.Equal(got.Bytes(), want) {
					t.Fatalf("commit TS %s: %d changes make\n%x, want\n%x", x.CommitTS, len(x.Changes), got.Bytes(), want)
				}
				compared++
			}
			if compared < 20 {
				t.Errorf("%d transactions have rows", compared)
			}
		})
	}
}

// failing is a disk that is full after some writes.
type failing struct{ left int }

var errFull = errors.New("full")

func (f *failing) Write(b []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

// TestPiecesStopAtAnError: what cannot be written is an error, and nothing is written after it.
func TestPiecesStopAtAnError(t *testing.T) {
	p := NewPieces(&failing{left: 1}, 3*pieceBytes)
	piece := make([]byte, pieceBytes)
	if err := p.Write(piece); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.Write(piece); !errors.Is(err, errFull) {
			t.Fatalf("%v, want that it is full", err)
		}
	}
	if _, err := p.Close(); !errors.Is(err, errFull) {
		t.Errorf("%v, want that it is full", err)
	}
}

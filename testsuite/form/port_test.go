package form

import "testing"

// TestPortBlocks: packages are tested at the same time, and a server of one may be stopped while another
// one looks for a port. A locked file says whose a block is, as well between processes as here.
func TestPortBlocks(t *testing.T) {
	dir, owner := t.TempDir(), map[int]int{}
	for i := range (highPort - lowPort) / portBlock {
		first, lock, err := takePortBlock(dir)
		if err != nil {
			t.Fatalf("block %d: %v", i, err)
		}
		defer lock.Close()
		for port := first; port < first+portBlock; port++ {
			if other, taken := owner[port]; taken {
				t.Fatalf("port %d is of blocks %d and %d", port, other, i)
			}
			owner[port] = i
		}
		if i == 0 { // what one gives back another one can have
			lock.Close()
			clear(owner)
		}
	}
	if len(owner) < highPort-lowPort-portBlock {
		t.Errorf("%d ports", len(owner))
	}
}

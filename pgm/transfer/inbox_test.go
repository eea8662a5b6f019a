package transfer

import (
	"os"
	"path/filepath"
	"testing"

	"lukechampine.com/blake3"

	"github.com/gopgm/gopgm/pgm/packet"
)

func sum256(b []byte) [32]byte { return blake3.Sum256(b) }

// What is sent arrives, whatever is lost, repeated and reordered, wherever on the circle of numbers the session begins.
func TestTreeArrivesWhole(t *testing.T) {
	for seed := range uint64(12) {
		src, dst := t.TempDir(), t.TempDir()
		writeTree(t, src, map[string]int{
			"tree/empty": 0, "tree/one": 1, "tree/block": 1400, "tree/block and one": 1401, "tree/a/b/c/deep": 99_999, "tree/dir/": 0,
			"tree/big": 3_000_000, "tree/64": 64 * 1400, "tree/65": 64*1400 + 1,
		})
		os.Chmod(filepath.Join(src, "tree/one"), 0o4755) // the bits beyond permission do not travel
		os.Chmod(filepath.Join(src, "tree/one"), 0o755)
		os.Chmod(filepath.Join(src, "tree/dir"), 0o500)
		r := newRig(t, seed, packet.SQN(seed*358_000_000-300), 1400, dst, filepath.Join(src, "tree"))
		r.loop.loss = float64(seed%4) * 0.1
		r.store.open()
		r.deliver()
		r.end(0)
		if r.in.err != nil || r.in.failedN != 0 {
			t.Fatalf("seed %d: %v, %v", seed, r.in.err, r.in.problems)
		}
		sameTree(t, dst, src)
		if n := len(r.seen.of(Complete)); n != r.in.count {
			t.Errorf("%d objects complete, want %d", n, r.in.count)
		}
	}
}

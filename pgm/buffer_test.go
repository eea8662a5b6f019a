package pgm

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is written comes out in order, and no more is held than the limit, but for a single write into an empty queue.
func TestByteQueueIsAQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := byteQueue{limit: rapid.IntRange(1, 150_000).Draw(t, "limit")}
		var want []byte
		for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
			n := rapid.IntRange(0, 30_000).Draw(t, "octets")
			if rapid.Bool().Draw(t, "write") {
				if !q.room(n) {
					if len(want) == 0 || len(want)+n <= q.limit {
						t.Fatalf("no room for %d octets behind %d; the limit is %d", n, len(want), q.limit)
					}
					continue
				}
				p := noise(uint64(i), n)
				q.write(p)
				want = append(want, p...)
				continue
			}
			p := make([]byte, n)
			got := p[:q.read(p)]
			if k := min(n, len(want)); !bytes.Equal(got, want[:k]) {
				t.Fatalf("read %d octets, want %d, or they differ", len(got), k)
			}
			want = want[len(got):]
			if q.size != len(want) {
				t.Fatalf("%d octets are held; want %d", q.size, len(want))
			}
		}
	})
}

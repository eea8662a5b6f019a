package mroute

import (
	"testing"

	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/internal/netns"
)

// What an interface's queue drops is counted, and what leaves.
func TestQueuesCountDrops(t *testing.T) {
	netns.Need(t, "tc")
	n := newNet3(t)
	n.router.Run("tc qdisc add dev l1 root tbf rate 8kbit burst 200 limit 400")
	var q *Queues
	var err error
	n.router.Do(func() { q, err = OpenQueues() })
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	before, err := q.Count()
	if err != nil {
		t.Fatal(err)
	}
	c := open(t, n.router, netio.Config{Interface: "l1"})
	for range 50 {
		_, _ = c.WriteBatch([]netio.Message{{To: group, Data: make([]byte, 100)}})
	}
	after, err := q.Count()
	i := n.links[1].Index
	if err != nil || after[i].Packets == before[i].Packets || after[i].Dropped-before[i].Dropped < 30 {
		t.Errorf("%+v, then %+v, %v; of 50 packets 2 fit", before[i], after[i], err)
	}
	if _, ok := after[n.links[0].Index]; ok {
		t.Logf("l0 has a queue too: %+v", after)
	}
}

// What the kernel says is read by its lengths, and nothing beyond them.
func TestQueueMessagesAreRead(t *testing.T) {
	counts := map[int]QueueCount{}
	for _, b := range [][]byte{nil, make([]byte, 15), make([]byte, 16), {40, 0, 0, 0, 36, 0, 15: 0}, {16, 0, 0, 0, 3, 0, 15: 0}} {
		_ = parseQueues(b, counts)
	}
	if len(counts) != 0 {
		t.Errorf("%+v", counts)
	}
	for _, b := range [][]byte{nil, {4, 0, 7}, {3, 0, 7, 0}, {9, 0, 7, 0, 1}} {
		if v := attribute(b, 7); v != nil {
			t.Errorf("% x: % x", b, v)
		}
	}
	if v := attribute([]byte{5, 0, 1, 0, 9, 0, 0, 0, 6, 0, 7, 0x80, 1, 2}, 7); len(v) != 2 || v[1] != 2 {
		t.Errorf("% x", v)
	}
}

package netio

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestPoolBoundsBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(2)
		a, _ := p.Get(nil)
		b, _ := p.Get(nil)
		if a == b {
			t.Fatal("two holders have one batch")
		}
		got := make(chan *Batch)
		go func() {
			b, _ := p.Get(nil)
			got <- b
		}()
		synctest.Wait()
		select {
		case <-got:
			t.Fatal("there is a third batch")
		default:
		}
		a.Retain()
		a.Release()
		synctest.Wait()
		select {
		case <-got:
			t.Fatal("a batch was given out that someone holds")
		default:
		}
		a.Release()
		if c := <-got; c != a {
			t.Error("the batch that was released did not come back")
		}
	})
}

func TestPoolGetEndsWithDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(0) // one at least
		if _, err := p.Get(nil); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(done) })
		if b, err := p.Get(done); b != nil || err != net.ErrClosed {
			t.Errorf("got %v, %v", b, err)
		}
	})
}

func TestReleasedTooOftenPanics(t *testing.T) {
	p := NewPool(1)
	b, _ := p.Get(nil)
	b.Release()
	mustPanic(t, "Release", b.Release)
	p = NewPool(1)
	b, _ = p.Get(nil)
	b.Release()
	mustPanic(t, "Retain of a released batch", b.Retain)
}

// Reading into a batch that someone else holds would change what he looks at.
func TestReadIntoRetainedBatchPanics(t *testing.T) {
	c := NewMemory().Open(Config{Group: netip.MustParseAddrPort("239.1.1.1:7500")}, netip.MustParseAddrPort("10.0.0.1:7500"))
	var b Batch
	b.Retain()
	mustPanic(t, "ReadBatch", func() { c.Readers()[0].ReadBatch(&b) })
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s did not panic", what)
		}
	}()
	f()
}

func TestZeroBatchIsReusable(t *testing.T) {
	var b Batch
	for range 3 {
		b.reset()
		b.Retain()
		b.Release()
		b.Release()
	}
}

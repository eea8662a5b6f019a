package pgm

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopgm/gopgm/internal/netio"
)

// A reader that pauses loses nothing as long as the source keeps what the receiver has no room for.
func TestSlowReaderCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		c := Config{Rate: 100_000_000, ReadBuffer: 100_000, Receiver: ReceiverConfig{Window: 64}}
		l := listen(t, host(c, m, "192.0.2.2"), inMemory)
		out := dial(t, host(c, m, "192.0.2.1"), inMemory)
		want := noise(1, 2_000_000)
		go func() {
			out.Write(want)
			out.Close()
		}()
		in := accept(t, l)
		time.Sleep(time.Second)
		expect(t, in, want)
	})
}

// Where the source finds its rate, a program that reads slowly has all of a stream, about as soon as it can read it: most of it was sent before it was
// known how slow it is, and has to be kept, and to be repaired before new data is sent, beyond the time for which a source keeps data otherwise.
func TestSlowReaderIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const octets, chunk, rate = 12_000_000, 50_000, 250_000
		m := netio.NewMemory()
		c := Config{Rate: 1_000_000_000, CC: CCAuto, ReadBuffer: 100_000, Receiver: ReceiverConfig{Window: 512}}
		l := listen(t, host(c, m, "192.0.2.2"), inMemory)
		out := dial(t, host(c, m, "192.0.2.1"), inMemory)
		want := noise(1, octets)
		go func() {
			out.Write(want)
			out.Close()
		}()
		in, start := accept(t, l), time.Now()
		b := make([]byte, chunk)
		for at := 0; at < octets; at += chunk {
			time.Sleep(chunk * time.Second / rate)
			if _, err := io.ReadFull(in, b); err != nil || !bytes.Equal(b, want[at:at+chunk]) {
				t.Fatalf("at %d, after %v: %v", at, time.Since(start), err)
			}
		}
		if n, err := in.Read(b); n != 0 || err != io.EOF {
			t.Errorf("behind all of it: %d octets, %v", n, err)
		}
		alone := time.Duration(octets/rate) * time.Second
		t.Logf("%v, of %v at the program's own speed; %d packets again", time.Since(start), alone, out.Stats().RDATA)
		if d := time.Since(start); d > alone*5/4 {
			t.Errorf("it took %v, and at the program's own speed %v", d, alone)
		}
	})
}

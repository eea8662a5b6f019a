package pgm

import (
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

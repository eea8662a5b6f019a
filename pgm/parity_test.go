package pgm

import (
	"net/netip"
	"testing"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/pgm/packet"
)

// narrow is a connection whose path takes packets of so many octets.
type narrow struct {
	netio.Conn
	mtu int
}

func (n narrow) MTU() int              { return n.mtu }
func (n narrow) Overhead() int         { return 28 }
func (n narrow) AlertOverhead() int    { return 4 }
func (n narrow) Local() netip.AddrPort { return netip.MustParseAddrPort("10.0.0.1:7500") }

// Data is kept so small that the parity of it, with its encoded length and option, its number and its group's size, fits where data without
// parity does [11.2-21].
func TestParityPacketsFitWhereDataDoes(t *testing.T) {
	for _, c := range []fec.Config{{Group: 2}, {Group: 64}, {Group: 64, Parity: 1, OnDemand: true}, {Group: 128, OnDemand: true}, {Group: 16, Parity: 200}} {
		c.Proactive = 1
		for _, mtu := range []int{576, 1280, 1500, 9000} {
			most := mtu - 28 - 4
			size := Config{MTU: mtu, FEC: c}.maxTSDU(narrow{mtu: mtu})
			full := c.WithDefaults()
			e := fec.NewEncoder(fec.Size(c.Group), size)
			e.Begin(0, c.Group-1) // which a group may be short by
			for i := range c.Group - 1 {
				e.Set(i, fec.Original{TSDU: make([]byte, size-i%2*8), Fragment: packet.Fragment{First: 1, Length: uint32(i % 2)}})
			}
			if n := e.Len(full.Parity - 1); n > most {
				t.Errorf("%+v, MTU %d: parity of %d octets, and the path takes %d", c, mtu, n, most)
			}
			if size < 400 {
				t.Errorf("%+v, MTU %d: %d octets of data", c, mtu, size)
			}
		}
	}
}

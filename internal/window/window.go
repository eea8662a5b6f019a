// Package window holds what a transmit window (RFC 3208 §3.3) or a receive window (§6.1) is made of,
// both kinds indexed by sequence number on the circle of 2^32: Bitmap, which SQNs are in, and Ring, a
// value for each SQN. Neither allocates in the steady state; neither is safe for concurrent use.
package window

import (
	"fmt"

	"github.com/gopgm/gopgm/pgm/packet"
)

// checkMax returns max as the type that offsets have. One out of range is a mistake of the caller's:
// "the size of the transmit window ... MUST be no greater than half the PGM sequence number space less
// one" (§3.3), so that Before orders any two SQNs in it.
func checkMax(kind string, max int) uint32 {
	if max < 1 || max > packet.MaxWindow {
		panic(fmt.Sprintf("window: %s of %d packets: want 1 to 2^31-1", kind, max))
	}
	return uint32(max)
}

package source

import (
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/pgm/packet"
)

// Store holds the transmit window: what the packets of a session carry, from TXW_TRAIL to the newest that may be sent. It is in
// memory (Memory) or a file. Its methods are called by the engine, on the engine's goroutine; whoever fills it calls
// Source.Wake when there is more.
type Store interface {
	// Load gets the TSDUs of len(dst) consecutive packets, of which first is the first. Each dst[i].Data comes as the room for one:
	// its length is Config.MaxTSDU, and it lies where the packet goes. Load writes the TSDU to the front of it, shortens it
	// to what it wrote, and sets the other fields; or it puts memory of its own in the place of Data, which is then copied. A
	// TSDU with options must leave room for them: its length is at most MaxTSDU less OptionsLen. Load does not keep dst.
	//
	// It returns how many TSDUs it loaded: less than len(dst) where it is convenient, 0 when the first is not there yet; Wake then
	// says when it is. An error means that the session cannot go on: the engine resets it.
	Load(first packet.SQN, dst []TSDU) (int, error)
	// Next returns the SQN after the newest packet that may be sent now: at most packet.MaxWindow ahead of Trail. It never
	// decreases.
	Next() packet.SQN
	// Trail returns TXW_TRAIL, the oldest packet that can still be loaded. It never decreases.
	Trail() packet.SQN
}

// Ager is a Store whose trail moves with time. The engine calls Age before it looks at the trail; next is the SQN after the
// newest packet that was sent.
type Ager interface {
	Age(now time.Time, next packet.SQN)
}

// TSDU is what one data packet carries.
type TSDU struct {
	Data     []byte
	Fragment packet.Fragment // OPT_FRAGMENT; none when its Length is 0
	Syn      bool            // OPT_SYN: for the first packet of the session alone [9.6-01]
	Fin      bool            // OPT_FIN: the last packet of the session, if that is known [9.7.2-01]
	Sum      uint16          // packet.Sum(Data), if HasSum
	HasSum   bool

	groupSize int              // OPT_CURR_TGSIZE: the engine's affair
	stamp     *congestion.Data // OPT_PGMCC_DATA, likewise
}

// OptionsLen returns how many octets the options of t take: MaxTSDU is for a packet without any.
func (t *TSDU) OptionsLen() int {
	n := 0
	if t.groupSize > 0 {
		n += 8
	}
	if t.Fragment.Length != 0 {
		n += packet.FragmentLen
	}
	if t.Syn {
		n += 4
	}
	if t.Fin {
		n += 4
	}
	if t.stamp != nil {
		n += congestion.DataLen(t.stamp.Acker)
	}
	if n > 0 {
		n += 4 // OPT_LENGTH
	}
	return n
}

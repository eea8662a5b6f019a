package fec

import (
	"math/bits"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Size is PARITY_PRM_TGS, the number of data packets in a full transmission group, and the arithmetic that follows from it: being a
// power of two, it splits a sequence number into TG_SQN, the first packet of the group, and PKT_SQN, a number within [11.2-05].
type Size uint32

// Valid reports whether k is a power of two from MinGroup to MaxGroup.
func (k Size) Valid() bool { return k >= MinGroup && k <= MaxGroup && bits.OnesCount32(uint32(k)) == 1 }

// Group returns TG_SQN of s: the first packet of its group.
func (k Size) Group(s packet.SQN) packet.SQN { return s &^ packet.SQN(k-1) }

// Index returns PKT_SQN of s: of a data packet, its place in its group, 0..k-1.
func (k Size) Index(s packet.SQN) int { return int(s & packet.SQN(k-1)) }

// Next returns the first packet of the group behind that of s, which is there whether or not the group of s is full [11.2-13].
func (k Size) Next(s packet.SQN) packet.SQN { return k.Group(s) + packet.SQN(k) }

// MaxParity returns how many parity packets each group can have: what the code has points for.
func (k Size) MaxParity() int { return MaxPackets - int(k) }

// Parity returns the sequence number of parity packet j of the group tg, and PRM_GROUP for its OPT_PARITY_GRP, 0: none
// [11.2-06], [11.2-07].
func (k Size) Parity(tg packet.SQN, j int) (s packet.SQN, prmGroup int) {
	return tg | packet.SQN(j)&packet.SQN(k-1), j / int(k)
}

// ParityIndex returns which parity packet of its group one with sequence number s and PRM_GROUP is. It undoes Parity.
func (k Size) ParityIndex(s packet.SQN, prmGroup int) int { return prmGroup*int(k) + k.Index(s) }

// Request returns NAK_SQN of a parity NAK, or NCF_SQN of its NCF, for count parity packets of the group tg: NAK_PKT_CNT is zero-based
// [11.2-09], [11.3.1-01]. A count outside 1..k is taken for the nearer of the two [11.5-08].
func (k Size) Request(tg packet.SQN, count int) packet.SQN {
	return k.Group(tg) | packet.SQN(min(max(count, 1), int(k))-1)
}

// Requested returns what the sequence number of a parity NAK or NCF stands for. Whatever the number, count is in 1..k.
func (k Size) Requested(s packet.SQN) (tg packet.SQN, count int) { return k.Group(s), k.Index(s) + 1 }

// Covers reports whether the sequence number heard, of a parity NCF or of another receiver's parity NAK, makes a parity NAK of ours
// with the number own superfluous: of the same group, for as many packets or more [6.3-18], [11.5-09].
func (k Size) Covers(heard, own packet.SQN) bool {
	return k.Group(heard) == k.Group(own) && k.Index(heard) >= k.Index(own)
}

// Missing returns for how many packets a parity NAK asks when missing of a group's data packets are not there, the group has size
// packets (0: nobody said) and held parity packets are there already: as if the group were full, whatever its size [11.5-14].
func (k Size) Missing(missing, size, held int) int {
	if size > 0 {
		missing += int(k) - size
	}
	return missing - held
}

// Owed returns how many parity packets a source sends for a parity NAK that asks for count of a group of size packets: less by what
// the group is short of a full one [11.4-08], [11.4-20]. It is 1 at least: who asks misses something, and may not have known
// that the group is short.
func (k Size) Owed(count, size int) int { return max(count-(int(k)-size), 1) }

// BackOff returns the interval over which NAK_RB_IVL of a parity NAK for count packets is drawn, of NAK_BO_IVL: "biased
// inversely", so that the NAK of the receiver that misses the most tends to go out first, and to suppress the others [6.3-17]. It is
// NAK_BO_IVL for one packet and NAK_BO_IVL/k for k.
func (k Size) BackOff(ivl time.Duration, count int) time.Duration {
	count = min(max(count, 1), int(k))
	return ivl * time.Duration(int(k)-count+1) / time.Duration(k)
}

// RoundIndex returns which parity packet of its group is the i-th, from 0, of n that a source sends pro-actively in a round: round 0
// is the first transmission; where nobody can ask for repairs, the whole object is sent again in further rounds. Each
// round goes on where the one before ended, among h, so h/n rounds pass before a receiver is offered a parity packet for the second time.
func RoundIndex(round, i, n, h int) int {
	return int((uint64(round)*uint64(n) + uint64(i)) % uint64(h))
}

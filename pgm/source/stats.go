package source

import (
	"errors"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
)

// Stats counts what a source did since it opened. Octets are of TSDUs, but for Sent.
type Stats struct {
	Sent uint64 // octets of whole packets, Overhead included: what the rate counts

	ODATA, ODATAOctets uint64
	RDATA, RDATAOctets uint64
	SPM, NCF           uint64
	ReportsSent        uint64

	NAKs           uint64 // that were for this session
	Requested      uint64 // sequence numbers in them
	NNAKs          uint64
	SPMRs          uint64
	SPMRsHeld      uint64 // answered by an SPM that left less than IHB_MIN before, or is about to
	NCFsHeld       uint64 // NAKs that were confirmed less than NCFHold before
	NCFsDropped    uint64 // NAKs that were ignored, because NCFs take no more than their share of the rate and of memory
	Merged         uint64 // requests for a packet that waits to be repaired, or was repaired less than NCFHold before
	Outside        uint64 // requests for a packet that is not in the transmit window
	RepairsDropped uint64 // requests beyond MaxRepairs
	Reports        uint64 // received
	ReportsDropped uint64 // beyond MaxReports, or too long

	ProactiveParity uint64 // parity packets sent unasked, as ODATA
	DemandParity    uint64 // that were asked for, as RDATA
	Repeated        uint64 // data packets that were sent again, by Repeat
	Rounds          uint64 // of Repeat that are over
	ParityNAKs      uint64 // among NAKs

	Polls  poll.PollerStats
	Tuning poll.TunerStats // duplicate NAKs, and what became of NAK_BO_IVL

	Bad Bad // packets that were refused

	Control ControlStats // congestion control

	// As it is now.
	Trail, Lead    packet.SQN
	PendingRepairs int
	Rate           int // in octets a second, TXW_MAX_RTE or less; 0: unlimited
	Receivers      int // those in front of the first element on their path, as the last polls estimate [14.3.1-07]
	ReceiversKnown bool
	BackOff        time.Duration // NAK_BO_IVL
	Proactive      int           // parity packets that are sent with each group
	OnDemand       bool          // parity is advertised on demand
}

// Bad counts refused packets by cause.
type Bad struct {
	Truncated, Length, Version, Type, Checksum, Reserved, Option, Window uint64
	Foreign                                                              uint64 // of another session, or for another source or group
}

// Total returns the number of refused packets.
func (b *Bad) Total() uint64 {
	return b.Truncated + b.Length + b.Version + b.Type + b.Checksum + b.Reserved + b.Option + b.Window + b.Foreign
}

func (b *Bad) count(err error) {
	switch {
	case errors.Is(err, packet.ErrTruncated):
		b.Truncated++
	case errors.Is(err, packet.ErrLength):
		b.Length++
	case errors.Is(err, packet.ErrVersion):
		b.Version++
	case errors.Is(err, packet.ErrType):
		b.Type++
	case errors.Is(err, packet.ErrChecksum):
		b.Checksum++
	case errors.Is(err, packet.ErrReserved):
		b.Reserved++
	case errors.Is(err, packet.ErrOption):
		b.Option++
	case errors.Is(err, packet.ErrWindow):
		b.Window++
	case errors.Is(err, ErrForeign):
		b.Foreign++
	}
}

package receiver

import (
	"errors"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Stats counts what a Receiver saw and did since it was made.
type Stats struct {
	SPMs, ODATA, RDATA, NCFs, HeardNAKs uint64 // packets of live sessions
	Bytes                               uint64 // of TSDUs delivered
	Delivered                           uint64 // packets delivered
	Duplicates                          uint64 // data already received [6.1-05]
	Outside                             uint64 // data outside the receive window [6.1-06]
	Refused                             uint64 // sessions for which there was no room
	Held                                uint64 // packets that a Sink did not take at first
	Lost                                uint64 // packets beyond repair
	Missed                              uint64 // packets found missing
	Repaired                            uint64 // packets found missing that came after all
	NAKs                                uint64 // NAK packets sent
	Requested                           uint64 // SQNs in them
	Suppressed                          uint64 // requests spared by others' NAKs or by NCFs
	SPMRs, Reports                      uint64 // sent
	POLLs                               uint64 // for live sessions
	Strangers                           uint64 // POLLs for others
	POLRs                               uint64 // sent
	FalsePaths                          uint64 // POLRs not sent, because POLL_PATH is not a parent's
	HeardPOLRs, NNAKs                   uint64 // which do not concern a receiver
	Silences                            uint64 // times that a parent had NAKs stop [15.3]
	Copies                              uint64 // unicast NCFs that were multicast to the neighbourhood
	NoRange                             uint64 // OPT_NAK_BO_RNG with limits that are no range
	Sessions                            uint64 // that were heard
	Unused                              uint64 // parity packets of sessions that do not use them, or not yet
	Parity                              uint64 // those that are looked at
	BadParity                           uint64 // options of parity, and parity packets, that no session has; also among Malformed
	Decoded, Rebuilt                    uint64 // groups that were decoded, and packets that came of it
	Undecodable                         uint64 // groups that could not be
	ParityNAKs                          uint64 // among NAKs
	Own, Foreign, Unknown               uint64 // own sessions', other ports', unknown types' packets
	Truncated, Checksum, Malformed      uint64 // packets dropped as broken, by cause
}

func (s *Stats) malformed(err error) error {
	switch {
	case errors.Is(err, packet.ErrTruncated):
		s.Truncated++
	case errors.Is(err, packet.ErrChecksum):
		s.Checksum++
	default:
		s.Malformed++
	}
	return err
}

func (s *Stats) add(e *Session) {
	n := e.Stats().Recovery
	s.Missed += n.Lost
	s.Repaired += n.Recovered
	s.Requested += n.Requested
	s.Suppressed += n.Suppressed
	s.Parity += e.stats.Parity
	s.BadParity += e.stats.BadParity
	s.Decoded += e.stats.Groups.Decoded
	s.Undecodable += e.stats.Groups.Undecodable
	s.Rebuilt += e.stats.Rebuilt
	s.ParityNAKs += e.stats.ParityNAKs
	s.SPMs += e.stats.SPMs
	s.ODATA += e.stats.ODATA
	s.RDATA += e.stats.RDATA
	s.Bytes += e.stats.Bytes
	s.Delivered += e.stats.Delivered
	s.Duplicates += e.stats.Duplicates
	s.Outside += e.stats.Outside
	s.Held += e.stats.Held
	s.Lost += e.stats.Lost
	s.NAKs += e.stats.NAKs
	s.SPMRs += e.stats.SPMRs
	s.Reports += e.stats.Reports
	s.POLRs += e.stats.POLRs
	s.FalsePaths += e.stats.FalsePaths
	s.Silences += e.stats.Silences
	s.Copies += e.stats.Copies
}

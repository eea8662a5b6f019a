package source

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pgm/packet"
)

// template is the fixed header of the session's data packets, and the checksum sum of what is the same in all of them.
type template struct {
	header [packet.HeaderLen]byte
	sum    uint16 // with Type, Options, Checksum and TSDU Length zero
}

func newTemplate(h packet.Header) template {
	var t template
	h.Append(t.header[:0])
	t.header[4] = 0
	t.sum = packet.Sum(t.header[:])
	return t
}

// maxRun returns the most data packets that one system call sends.
func (s *Source) maxRun() int {
	return max(min(packet.MaxRunPackets, (packet.MaxRun-s.c.reserve())/s.stride()), 1)
}

// sendRun has the store write up to n TSDUs, of consecutive packets from first on, to where they go in the batch, completes the
// packets and sends them as type t. It returns how many, and what they took of the rate. The batch has room for n.
func (s *Source) sendRun(now time.Time, b *packet.Batch, t packet.Type, first packet.SQN, n int) (sent, octets int) {
	stride, stamp, lead := s.stride(), s.control.stampAt(now, t), 0
	if stamp != nil {
		lead = s.c.stampLen()
	}
	room := b.Reserve(n*stride + s.c.reserve())
	tsdus := s.tsdus[:n]
	for i := range tsdus {
		at := i*stride + packet.DataHeaderLen + lead
		tsdus[i] = TSDU{Data: room[at : at+s.c.MaxTSDU : at+s.c.MaxTSDU]}
	}
	sent, err := s.store.Load(first, tsdus)
	if err == nil {
		err = s.checkLoad(sent, tsdus)
	}
	if err != nil {
		s.fail(now, fmt.Errorf("source: loading packet %v: %w", first, err))
		return 0, 0
	}
	// Packets must lie side by side. Where the store filled its room, they do; others move up.
	if sent > 0 {
		last := &tsdus[sent-1]
		last.groupSize = s.groupSize(first+packet.SQN(sent-1), t == packet.TypeODATA && (s.state == closing || s.sealed))
	}
	at, run, size := 0, 0, 0
	for i := range tsdus[:sent] {
		tsdus[i].stamp = stamp
		n := s.complete(room[at:], t, first+packet.SQN(i), &tsdus[i])
		if run > 0 && (run%size != 0 || n > size) {
			b.Commit(s.c.Group, 0, size, run) // the next goes on where this one ends
			run = 0
		}
		if run == 0 {
			size = n
		}
		at += n
		run += n
	}
	if run > 0 {
		b.Commit(s.c.Group, 0, size, run)
	}
	if sent == 0 {
		return 0, 0
	}
	s.spend(now, t, at, sent)
	s.control.sent(now, t, first, sent, at+sent*s.overhead(t))
	s.schedule.DataSent(now)
	tsduOctets := uint64(0)
	for i := range tsdus[:sent] {
		tsduOctets += uint64(len(tsdus[i].Data))
	}
	if t == packet.TypeODATA {
		s.stats.ODATA += uint64(sent)
		s.stats.ODATAOctets += tsduOctets
	} else {
		s.stats.RDATA += uint64(sent)
		s.stats.RDATAOctets += tsduOctets
	}
	return sent, at + sent*s.overhead(t)
}

var errStore = errors.New("the store broke its contract")

// checkLoad holds a store to its contract, which other packages implement.
func (s *Source) checkLoad(sent int, tsdus []TSDU) error {
	if sent < 0 || sent > len(tsdus) {
		return fmt.Errorf("%w: %d packets of %d", errStore, sent, len(tsdus))
	}
	for i := range tsdus[:sent] {
		if t := &tsdus[i]; len(t.Data)+t.OptionsLen() > s.c.MaxTSDU {
			return fmt.Errorf("%w: a TSDU of %d octets and %d of options, with room for %d", errStore, len(t.Data), t.OptionsLen(), s.c.MaxTSDU)
		}
	}
	return nil
}

// complete makes the packet of a TSDU at the front of dst, and returns its length. The TSDU may lie in dst already, where a
// packet without options has it, or further behind.
func (s *Source) complete(dst []byte, t packet.Type, sqn packet.SQN, u *TSDU) int {
	options := u.OptionsLen()
	start := packet.DataHeaderLen + options
	size := start + len(u.Data)
	if len(u.Data) > 0 && &dst[start] != &u.Data[0] {
		copy(dst[start:], u.Data)
	}
	payload := u.Sum
	if !u.HasSum {
		payload = packet.Sum(dst[start:size])
	}
	*(*[packet.HeaderLen]byte)(dst) = s.data.header
	dst[4] = byte(t)
	binary.BigEndian.PutUint16(dst[14:], uint16(len(u.Data)))
	binary.BigEndian.PutUint32(dst[16:], uint32(sqn))
	binary.BigEndian.PutUint32(dst[20:], uint32(s.trail))
	if options > 0 {
		u.appendOptions(dst[:packet.DataHeaderLen:start])
		payload = packet.Add(payload, packet.Sum(dst[packet.DataHeaderLen:start]))
	}
	sum := uint32(s.data.sum) + uint32(payload) +
		uint32(dst[4])<<8 + uint32(dst[5]) + uint32(len(u.Data)) +
		uint32(sqn>>16) + uint32(sqn&0xffff) + uint32(s.trail>>16) + uint32(s.trail&0xffff)
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(dst[6:], packet.Finish(uint16(sum)))
	return size
}

// appendOptions appends the options of t to the packet p, which ends where they begin.
func (t *TSDU) appendOptions(p []byte) {
	at := len(p)
	p = packet.BeginOptions(p)
	if t.groupSize > 0 {
		p = fec.AppendCurrentSize(p, t.groupSize)
	}
	if t.Fragment.Length != 0 {
		p = t.Fragment.AppendTo(p)
	}
	if t.Syn {
		p = packet.AppendOption(p, packet.OptSyn, 0)
	}
	if t.Fin {
		p = packet.AppendOption(p, packet.OptFin, 0)
	}
	if t.stamp != nil { // others have it last too
		p = t.stamp.AppendTo(p)
	}
	packet.EndOptions(p, at)
}

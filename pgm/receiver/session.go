package receiver

import (
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/internal/window"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

// Session is one source's session at this receiver. It belongs to the goroutine that drives its Receiver.
type Session struct {
	r         *Receiver
	tsi       packet.TSI
	sink      Sink
	observer  Observer // the sink, if it is one
	told      uint8    // the kinds of events that it was told of, a bit each
	unordered bool
	silent    bool // it sends nothing
	ended     bool
	heard     time.Time // when a packet of the session was heard last

	from      netip.AddrPort // whence its packets come: the address is NAK_SRC
	path      spm.Path
	solicitor spm.Solicitor
	parent    parent
	redirect  redirect
	feedback

	// The receive window. Everything before have's trail has been delivered, or is not wanted; lead is the newest packet known to
	// have been sent. Before the window has a beginning, started is false.
	started bool
	holding bool // nothing is delivered yet: an SPM may still say that the session can be joined further back
	holdEnd time.Time
	trail   packet.SQN // RXW_TRAIL: the greatest trailing edge advertised, or where we joined [3.4-01]
	lead    packet.SQN
	have    *window.Bitmap
	order   order

	gaps     gaps
	presumed packet.SQN // what is missing before it is lost, and recovered
	cursor   packet.SQN // what is missing before it is in recovery
	recovery *nak.Recovery
	parity   *parity        // nil: there is none that could be used
	gone     *window.Bitmap // packets that are not missing and cannot be computed with; nil: none

	limited bool
	limit   packet.SQN // what the Sink does not want yet begins here
	fin     packet.SQN // the last packet of the session [9.7-03]
	hasFin  bool
	reports [][]byte
	over    struct{ missed, repaired uint64 } // of the parity that was
	stats   SessionStats
}

// SessionStats counts what happened in one session. See Stats for the meaning of the fields.
type SessionStats struct {
	SPMs, ODATA, RDATA, Bytes, Delivered, Duplicates, Outside, Held, Lost, NAKs, SPMRs, Reports uint64
	POLRs, FalsePaths, Silences, Copies                                                         uint64
	Parity, BadParity, Rebuilt, ParityNAKs                                                      uint64
	Groups                                                                                      fec.GroupsStats
	Recovery                                                                                    nak.RecoveryStats
	BackOff                                                                                     time.Duration // NAK_BO_IVL as it is
}

// holdIntervals is for how many SPMR_BO_IVL delivery waits for the first SPM. By then some four requests have failed to bring one,
// and ambient SPMs have been lost too: the source sends none, or nothing gets through.
const holdIntervals = 10

// maxReports bounds the reports that wait to be sent; the oldest make room.
const maxReports = 64

func newSession(r *Receiver, now time.Time, from netip.AddrPort, tsi packet.TSI) *Session {
	s := &Session{r: r, tsi: tsi, from: from, heard: now, silent: r.c.Passive, recovery: nak.NewRecovery(r.c.Recovery, r.c.Rand)}
	s.solicitor.BackOff = r.c.Solicit
	s.initParent()
	return s
}

// TSI returns the session's identifier.
func (s *Session) TSI() packet.TSI { return s.tsi }

// Source returns the network address that the source's packets come from.
func (s *Session) Source() netip.AddrPort { return s.from }

// Heard returns when a packet of the session was heard last: data, whether it could be delivered or not, or an SPM.
func (s *Session) Heard() time.Time { return s.heard }

// Window returns the oldest packet of the session that can still be received and the newest known to have been sent; ok is false
// before the first SPM or data.
func (s *Session) Window() (trail, lead packet.SQN, ok bool) { return s.trail, s.lead, s.started }

// Missing returns how many packets up to the newest known are not there.
func (s *Session) Missing() int {
	if !s.started {
		return 0
	}
	return int(s.lead-s.have.Trail()+1) - s.have.Len()
}

// Stats returns the session's counters.
func (s *Session) Stats() SessionStats {
	s.stats.Recovery, s.stats.BackOff = s.recovery.Stats(), s.parent.backOff.Interval()
	s.stats.Recovery.Lost += s.over.missed
	s.stats.Recovery.Recovered += s.over.repaired
	if p := s.parity; p != nil {
		n := p.recovery.Stats()
		s.stats.Groups = p.groups.Stats()
		s.stats.Recovery.Lost += p.missed
		s.stats.Recovery.Recovered += p.repaired
		s.stats.Recovery.Requested += n.Requested
		s.stats.Recovery.Suppressed += n.Suppressed
		s.stats.Recovery.NCFRepeats += n.NCFRepeats
		s.stats.Recovery.Repeats += n.Repeats
	}
	return s.stats
}

// Unordered makes the session deliver packets as they come [6.1-09]. To be called in Accept.
func (s *Session) Unordered() { s.unordered = true }

// Silent makes the session send nothing from now on, as Config.Passive does for all: its source hears nobody. What waits to be sent is dropped.
func (s *Session) Silent() { s.silent, s.reports, s.reporter = true, nil, nil }

// Have says that the packets first..last need not be received, because the Sink has what is in them.
func (s *Session) Have(first, last packet.SQN) {
	if !s.started || s.ended {
		return
	}
	for n := first; n != last+1; n++ {
		s.have.Add(n)
	}
	s.recovery.CancelRange(first, last)
	if p := s.parity; p != nil {
		for tg := p.k.Group(first); !last.Before(tg); tg = p.k.Next(tg) {
			if !s.lacks(tg) {
				p.recovery.Cancel(tg)
			}
		}
	}
}

// Limit confines recovery to the packets up to last, because the Sink could not take later ones yet. It may be called again as the
// Sink learns more.
func (s *Session) Limit(last packet.SQN) { s.limited, s.limit = true, last+1 }

// Unlimit ends what Limit began.
func (s *Session) Unlimit() { s.limited = false }

// Resume offers an ordered session's Sink again what it did not take.
func (s *Session) Resume(now time.Time) {
	if !s.active() || !s.started {
		return
	}
	s.order.blocked = false
	s.deliver()
	s.detect(now)
	s.checkEnd()
}

// Report sends the source a message that other stacks ignore; what is in it is the Sink's affair. It is copied, and not repeated.
func (s *Session) Report(body []byte) {
	if s.silent {
		return
	}
	if len(s.reports) == maxReports {
		s.reports = append(s.reports[:0], s.reports[1:]...)
	}
	s.reports = append(s.reports, append([]byte(nil), body...))
}

// Close ends the session at this receiver: its packets are ignored from now on. The Sink hears End.
func (s *Session) Close() { s.end(Closed, packet.Reset{}) }

// Held returns how many packets an ordered session holds behind what is missing.
func (s *Session) Held() int {
	if !s.started || s.unordered {
		return 0
	}
	return s.have.Len()
}

// GiveUp says that nothing that is missing can be had any more: the Sink hears that it is lost, gets what is behind it, and, if that
// was the last of the session, hears its End.
func (s *Session) GiveUp() {
	if !s.active() || !s.started {
		return
	}
	s.holding = false
	s.advance(s.lead + 1)
	if s.deliver(); s.Held() == 0 {
		s.order.slots = nil // which may have grown large
	}
	if s.hasFin {
		s.end(Finished, packet.Reset{})
	}
}

func (s *Session) active() bool { return !s.ended }

// start gives the receive window its beginning: RXW_TRAIL_INIT [6.1-01].
func (s *Session) start(init packet.SQN) {
	s.started = true
	s.trail, s.lead = init, init-1
	s.presumed, s.cursor = init, init
	size := packet.MaxWindow
	if !s.unordered {
		size = s.r.c.Window
		s.order.init(init, size)
	}
	s.have = window.NewBitmap(init, size)
}

// rejoin moves the beginning of the window back to the packet from which OPT_JOIN lets us have the session. Of an ordered one,
// nothing has been delivered yet.
func (s *Session) rejoin(init packet.SQN) {
	old, lead := s.have, s.lead
	s.start(init)
	s.lead, s.presumed = lead, lead+1
	s.gaps.clear()
	last := old.Trail() + packet.SQN(old.Max()-1) // beyond lead there may be what the Sink has
	for n, ok := old.NextPresent(old.Trail(), last); ok; n, ok = old.NextPresent(n+1, last) {
		if !s.have.Add(n) || n == last {
			break
		}
	}
}

func (s *Session) handleSPM(now time.Time, from netip.AddrPort, p *spm.Packet, opts []byte) error {
	if !p.NoWindow() && p.Lead-p.Trail+1 > packet.MaxWindow { // [3.3-02]
		return &packet.Error{Type: packet.TypeSPM, Field: "SPM_LEAD", Offset: 24, Err: packet.ErrWindow}
	}
	var join packet.SQN
	var reset packet.Reset
	var hasJoin, hasFin, hasReset, hasParity bool
	var params fec.Params
	size := 0
	var a advice
	var q probed
	for o, err := range packet.Options(opts) {
		if err != nil {
			return err
		}
		switch o.Type {
		case packet.OptJoin:
			if join, err = packet.ParseJoin(o); err != nil {
				return err
			}
			hasJoin = join-p.Trail <= p.Lead-p.Trail+1
		case packet.OptParityPrm:
			if params, err = fec.ParseParams(o); err != nil {
				s.stats.BadParity++ // what cannot be used is of no use, and the rest of the SPM is
				continue
			}
			hasParity = true
		case packet.OptCurrTGSize:
			k := params.Group
			if !hasParity && s.parity != nil {
				k = s.parity.k
			}
			if k.Valid() {
				size = s.groupSize(o, k)
			}
		case packet.OptFin:
			hasFin = !p.NoWindow()
		case packet.OptRst:
			reset, hasReset = packet.ParseReset(o), true
		case packet.OptCRQST, congestion.OptPGMCCData, congestion.OptProbe:
			if err := q.read(o); err != nil {
				return err
			}
		default:
			if err := a.read(packet.TypeSPM, o); err != nil {
				return err
			}
		}
	}
	first := !s.path.Known()
	if !s.path.Accept(p) { // "Out-of-sequence SPMs are discarded" [6.2-03]
		return nil
	}
	s.stats.SPMs++
	s.from = from
	s.solicitor.SPMSeen()
	s.regular(now, &a)
	s.asked(now, &q)
	if hasParity {
		s.learn(now, params)
	}
	if !p.NoWindow() {
		switch {
		case !s.started && hasJoin:
			s.start(join)
		case !s.started:
			// Without data the window begins behind what was sent before we came, so that the loss of the next packet is noticed.
			s.start(p.Lead + 1)
		case hasJoin && join.Before(s.trail) && (s.holding || s.unordered && first):
			s.rejoin(join)
		}
		if s.advance(p.Trail); s.ended {
			return nil
		}
		s.sent(now, p.Lead)
		if q := s.parity; q != nil {
			q.idle, q.spmLead = q.spmLead == p.Lead && s.lead == p.Lead, p.Lead
			if size > 0 {
				s.learnSize(now, p.Lead, size)
			}
		}
		if s.ended {
			return nil
		}
	}
	if s.started {
		s.holding = false
		s.detect(now)
	}
	if hasFin && !s.hasFin {
		s.hasFin, s.fin = true, p.Lead
		s.tell(Event{Kind: Closing, SQN: p.Lead})
	}
	s.deliver()
	if hasReset {
		s.tell(Event{Kind: Aborted, SQN: p.Lead, Reset: reset})
		s.end(Reset, reset)
		return nil
	}
	s.checkEnd()
	return nil
}

// handleTimeout does what time demands by now.
func (s *Session) handleTimeout(now time.Time) {
	if !s.active() {
		return
	}
	if now.Sub(s.heard) >= s.expiry() {
		if s.silent {
			s.GiveUp()
		}
		s.end(Expired, packet.Reset{})
		return
	}
	if s.holding && !now.Before(s.holdEnd) {
		s.holding = false
		s.deliver()
	}
	s.unmute(now)
	if s.reporter != nil {
		s.reporter.HandleTimeout(now)
	}
	if !s.started {
		return
	}
	s.gaps.expire(now, s.r.c.ReorderTimeout, &s.presumed)
	s.recovery.HandleTimeout(now, s.giveUp)
	if s.parity != nil {
		s.parity.recovery.HandleTimeout(now, s.giveUpGroup)
	}
	s.detect(now)
	s.deliver()
	s.checkEnd()
}

func (s *Session) expiry() time.Duration {
	if s.hasFin {
		return min(s.r.c.EndExpiry, s.r.c.PeerExpiry)
	}
	return s.r.c.PeerExpiry
}

func (s *Session) nextTimeout() time.Time {
	if !s.active() {
		return s.heard.Add(s.r.c.PeerExpiry)
	}
	next := s.heard.Add(s.expiry())
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	if s.holding {
		earlier(s.holdEnd)
	}
	if s.silent {
		return next
	}
	earlier(s.gaps.next(s.r.c.ReorderTimeout))
	earlier(s.solicitor.Next())
	earlier(s.parent.unmuted)
	earlier(s.nextReply())
	earlier(s.nextFeedback())
	earlier(s.recovery.NextTimeout(s.mayNAK()))
	if s.parity != nil {
		earlier(s.parity.recovery.NextTimeout(s.mayNAK()))
	}
	return next
}

// checkEnd ends a session whose last packet, and all before it, were delivered or reported lost.
func (s *Session) checkEnd() {
	if s.ended || !s.hasFin || !s.started || s.holding || s.unordered && !s.path.Known() {
		return // there may be more in front
	}
	done := s.order.next
	if s.unordered {
		done = s.have.Contiguous()
	}
	if s.fin.Before(done) {
		s.end(Finished, packet.Reset{})
	}
}

// end tells the Sink that there is nothing more. A Sink may cause it from within any call, so what the session holds stays until
// release.
func (s *Session) end(reason End, reset packet.Reset) {
	if s.ended {
		return
	}
	s.ended = true
	s.leave()
	s.sink.End(reason, reset)
}

// release lets go of everything that a session which has ended still holds, but for the counters.
func (s *Session) release() {
	if s.have == nil {
		return
	}
	if s.parity != nil {
		s.stats.Groups = s.parity.groups.Stats()
		s.over.missed, s.over.repaired = s.parity.missed, s.parity.repaired
		s.parity = nil
	}
	s.have, s.gone, s.order, s.gaps = nil, nil, order{}, gaps{}
	s.recovery.Reset()
	s.started = false
}

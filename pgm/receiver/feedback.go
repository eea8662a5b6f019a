package receiver

import (
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/pgm/packet"
)

// feedback is what a session tells its source about congestion. There is none before the source asks: by a probe on an SPM, by
// OPT_PGMCC_DATA on ODATA, or by OPT_CRQST.
type feedback struct {
	reporter *congestion.Reporter // nil: nobody has asked
	intake   intake
}

// wants returns the session's reporter, made if there is none, or nil when the session is not to send anything.
func (s *Session) wants() *congestion.Reporter {
	c := &s.r.c
	if s.reporter != nil || s.silent || !c.Self.IsValid() {
		return s.reporter
	}
	r, err := congestion.NewReporter(congestion.ReporterConfig{Self: c.Self, Overhead: c.Overhead, Rand: c.Rand})
	if err != nil {
		panic(err) // New has checked all of it
	}
	r.SetOverflow(s.r.overflow)
	s.reporter = r
	return r
}

// counted tells the reporter of a data packet with so many octets.
func (s *Session) counted(n packet.SQN, octets int, repair bool) {
	if s.reporter != nil {
		s.reporter.Data(n, octets, repair)
	}
}

// stamped takes OPT_PGMCC_DATA of an ODATA packet that has been counted.
func (s *Session) stamped(now time.Time, n packet.SQN, d congestion.Data) {
	had := s.reporter != nil
	if r := s.wants(); r != nil {
		if !had { // it was made too late to count this one
			r.Data(n, 0, false)
		}
		r.Stamp(now, d)
	}
}

// restamped takes note of OPT_PGMCC_DATA on an RDATA packet that has been counted.
func (s *Session) restamped(now time.Time, n packet.SQN) {
	if s.reporter != nil {
		s.reporter.Restamp(now, n)
	}
}

// probed takes what an SPM asks.
type probed struct {
	data              congestion.Data
	probe             congestion.Probe
	hasData, hasProbe bool
	requested         congestion.Kinds
}

// read takes an option of an SPM; others than those of congestion control are not looked at.
func (q *probed) read(o packet.Option) (err error) {
	switch o.Type {
	case congestion.OptPGMCCData:
		q.data, err = congestion.ParseData(o)
		q.hasData = err == nil
	case congestion.OptProbe:
		q.probe, err = congestion.ParseProbe(o)
		q.hasProbe = err == nil
	case packet.OptCRQST:
		q.requested, err = congestion.ParseRequest(o)
	}
	return err
}

// asked takes what the newest SPM asks.
func (s *Session) asked(now time.Time, q *probed) {
	if q.requested != 0 || q.hasProbe && q.hasData {
		s.wants()
	}
	if s.reporter == nil {
		return
	}
	s.reporter.SetRequested(q.requested)
	if q.hasProbe && q.hasData {
		s.reporter.Probe(now, q.data, q.probe)
	}
}

// acknowledge sends the ACKs that the batch of received packets, which is at its end now, has made due. They go to the source itself, which is
// what the last SPM's Path NLA is unless a network element is in between: RFC 3208's elements know no ACKs.
func (s *Session) acknowledge(now time.Time, b *packet.Batch) {
	r := s.reporter
	if r == nil {
		return
	}
	r.SetOverflow(s.r.overflow)
	if s.intake.limit > 0 { // also when nothing new comes
		s.crowded(now, s.lead+1)
	}
	s.relieved(now)
	r.Flush()
	for r.Owed() > 0 && b.Room() >= 2*maxUpstream {
		s.send(b, r.AppendACK(now, s.r.scratch[:0], s.tsi, s.r.c.Dest), s.from.Addr())
	}
}

// appendFeedback appends what a NAK says of congestion.
func (s *Session) appendFeedback(now time.Time, b []byte) []byte {
	if s.reporter == nil {
		return b
	}
	return s.reporter.AppendOptions(now, s.reporter.AppendReport(b, s.lead))
}

// leave tells the source that counts on our ACKs that none follow.
func (s *Session) leave() {
	if s.reporter != nil {
		s.reporter.Leave()
	}
}

// nextFeedback returns when there is something to report; zero: not before another packet comes.
func (s *Session) nextFeedback() time.Time {
	if s.reporter == nil {
		return time.Time{}
	}
	return s.reporter.NextTimeout()
}

// SetOverflow says how many packets the kernel has dropped so far because the socket's buffer was full. Sources that control congestion
// are told, since it is not the network that lost them.
func (r *Receiver) SetOverflow(total uint64) { r.overflow = total }

// Feedback returns what is known of the network between the source and this receiver; false if the source never asked.
func (s *Session) Feedback() (congestion.ReporterStats, bool) {
	if s.reporter == nil {
		return congestion.ReporterStats{}, false
	}
	return s.reporter.Stats(), true
}

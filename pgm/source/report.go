package source

import (
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// report waits to be unicast to a receiver.
type report struct {
	to   netip.AddrPort
	body []byte
}

// handleReport hands a receiver's report to the application.
func (s *Source) handleReport(now time.Time, from netip.AddrPort, h *packet.Header, body []byte) error {
	_, rest, err := packet.SplitOptions(h, body, packet.HeaderLen)
	if err != nil {
		return err
	}
	s.stats.Reports++
	if s.c.Report != nil && s.state != done {
		s.c.Report(now, from, rest)
	}
	return nil
}

// SendReport queues a report, an acknowledgement say, to be unicast to a receiver at to: a packet.TypeReport whose ports are as in
// those that it answers, so that it is known by the same TSI. It leaves after NCFs and SPMs, before data, within the rate.
// Nothing is queued, and false returned, when MaxReports wait or body is longer than MaxTSDU. body is copied.
func (s *Source) SendReport(to netip.AddrPort, body []byte) bool {
	if s.state == done || len(body) > s.c.MaxTSDU || s.reports.n == s.reports.max {
		s.stats.ReportsDropped++
		return false
	}
	s.due = s.last
	return s.reports.push(report{to: to, body: append([]byte(nil), body...)})
}

// appendReport appends a whole report, as both sides send it.
func appendReport(b []byte, tsi packet.TSI, dest uint16, body []byte) []byte {
	start := len(b)
	b = packet.Upstream(packet.TypeReport, tsi, dest).Append(b)
	b = append(b, body...)
	packet.Seal(b[start:])
	return b
}

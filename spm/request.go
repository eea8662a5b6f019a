package spm

import "github.com/gopgm/gopgm/pgm/packet"

// AppendRequest appends a whole SPMR, checksum included: the fixed header and nothing else [13.6-01]. It asks the source of
// session tsi, whose packets go to port dest, for an SPM.
func AppendRequest(b []byte, tsi packet.TSI, dest uint16) []byte {
	start := len(b)
	b = packet.Upstream(packet.TypeSPMR, tsi, dest).Append(b)
	packet.Seal(b[start:])
	return b
}

// ParseRequest reads what follows the header h of an SPMR: options, which are returned and alias body, and no more. Two SPMRs are
// identical when their headers agree in TSI and DataDestPort [13.5-06].
func ParseRequest(h *packet.Header, body []byte) (opts []byte, err error) {
	if h.Type != packet.TypeSPMR {
		return nil, &packet.Error{Type: h.Type, Field: "type", Offset: 4, Err: packet.ErrType}
	}
	opts, rest, err := packet.SplitOptions(h, body, packet.HeaderLen)
	if err == nil && len(rest) > 0 { // [8-17]
		opts, err = nil, &packet.Error{Type: h.Type, Field: "end of packet", Offset: packet.HeaderLen + len(body) - len(rest), Err: packet.ErrLength}
	}
	return opts, err
}

package conformance

import (
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

// Beginning reports whether the capture has the beginning of a session: the first packet of it says that no data was sent before. It is
// to be called in Accept, of the session that is accepted.
func (r *Replay) Beginning() bool {
	var h packet.Header
	body, err := h.Parse(r.packet)
	if err != nil {
		return false
	}
	var options []byte
	switch {
	case h.Type == packet.TypeSPM:
		var p spm.Packet
		if options, err = p.Parse(&h, body); err == nil && !p.NoWindow() && p.Lead+1 == p.Trail {
			return true
		}
	case h.Type.IsData():
		var d packet.Data
		err = d.Parse(&h, body)
		options = d.Options
	}
	for o, fault := range packet.Options(options) {
		if err != nil || fault != nil {
			return false
		}
		if o.Type == packet.OptSyn {
			return true
		}
	}
	return false
}

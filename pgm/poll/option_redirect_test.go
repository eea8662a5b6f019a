package poll

import (
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

// [9.5.5-01]: the option's octets, of both families; a POLR bears it and reads back.
func TestRedirectionOnTheWire(t *testing.T) {
	for _, c := range []struct{ dlr, wire string }{
		{"192.0.2.9", "070c0000" + "00010000" + "c0000209"},
		{"2001:db8::9", "07180000" + "00020000" + "20010db8000000000000000000000009"},
	} {
		dlr := netip.MustParseAddr(c.dlr)
		if got := hex.EncodeToString(AppendRedirect(nil, dlr)); got != c.wire {
			t.Errorf("%v is %s, want %s", dlr, got, c.wire)
		}
		tsi := packet.TSI{GSI: packet.GSI{1, 2, 3, 4, 5, 6}, Port: 9}
		wire := AppendRedirection(nil, tsi, 7500, Reply{SQN: 5, Round: 1}, dlr, true)
		var h packet.Header
		body, err := h.Parse(wire)
		if err != nil {
			t.Fatal(err)
		}
		var r Reply
		opts, err := r.Parse(&h, body)
		if err != nil || r != (Reply{SQN: 5, Round: 1}) || h.Options != packet.FlagParity|packet.FlagOptions|packet.FlagNetwork {
			t.Errorf("%v: reply %+v, options %#x, %v", dlr, r, h.Options, err)
		}
		o, _ := packet.FindOption(opts, packet.OptRedirect)
		if got, err := ParseRedirect(o); got != dlr || err != nil {
			t.Errorf("got %v, %v, want %v", got, err, dlr)
		}
		for n := range o.Body {
			if _, err := ParseRedirect(packet.Option{Body: o.Body[:n]}); err == nil {
				t.Errorf("%d octets of %v were taken", n, dlr)
			}
		}
	}
}

// Nobody's address is not redirected to.
func TestRedirectionToNobody(t *testing.T) {
	for _, a := range []string{"0.0.0.0", "239.1.1.1", "255.255.255.255", "::", "ff02::1"} {
		if got, err := ParseRedirect(packet.Option{Body: AppendRedirect(nil, netip.MustParseAddr(a))[4:]}); err == nil {
			t.Errorf("%s was taken for %v", a, got)
		}
	}
}

package poll

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// alone writes a POLL with one option, as the packet's only one, and returns the option list.
func alone(add func([]byte) []byte) (b, opts []byte) {
	b = Packet{Path: path4}.Append(packet.Downstream(packet.TypePOLL, tsi, dest).Append(nil))
	at := len(b)
	b = packet.EndOptions(add(packet.BeginOptions(b)), at)
	return b, b[at:]
}

// [15.4.1-01], [15.4.2-01], [15.4.3-01], [15.4.4-01]
func TestOptionFormats(t *testing.T) {
	for _, tt := range []struct {
		name string
		add  func([]byte) []byte
		want string
	}{
		{"OPT_NAK_BO_IVL", Interval{BackOff: 5 * ms, SQN: 6}.AppendTo, "00040010 840c0000 00001388 00000006"},
		{"OPT_NAK_BO_IVL, greatest", Interval{BackOff: time.Hour * 2, SQN: 0xffff_ffff}.AppendTo, "00040010 840c0000 ffffffff ffffffff"},
		{"OPT_NAK_BO_RNG, maximum first", Range{Max: 100 * ms, Min: ms / 2}.AppendTo, "00040010 850c0000 000186a0 000001f4"},
		{"OPT_NBR_UNREACH", AppendUnreachable, "00040008 8b040000"},
		{"OPT_PATH_NLA, IPv4", func(b []byte) []byte { return AppendPath(b, path4) }, "0004000c 8c080000 c0000201"},
		{"OPT_PATH_NLA, IPv4 in IPv6", func(b []byte) []byte { return AppendPath(b, netip.MustParseAddr("::ffff:192.0.2.1")) }, "0004000c 8c080000 c0000201"},
		{"OPT_PATH_NLA, IPv6 with a zone", func(b []byte) []byte { return AppendPath(b, netip.MustParseAddr("fe80::1%eth0")) }, "00040018 8c140000 fe800000000000000000000000000001"},
		{"OPT_PATH_NLA of nothing", func(b []byte) []byte { return AppendPath(b, netip.Addr{}) }, "0004000c 8c080000 00000000"},
	} {
		b, opts := alone(tt.add)
		if want := unhex(t, tt.want); !bytes.Equal(opts, want) {
			t.Errorf("%s:\n got %x\nwant %x", tt.name, opts, want)
		}
		if b[5] != byte(packet.FlagOptions|packet.FlagNetwork) { // each is network-significant
			t.Errorf("%s: Options is %#x", tt.name, b[5])
		}
	}
}

func TestOptionsRoundTrip(t *testing.T) {
	_, opts := alone(Interval{BackOff: 1234 * time.Microsecond, SQN: 0x8000_0000}.AppendTo)
	for o := range packet.Options(opts) {
		if got, err := ParseInterval(o); err != nil || got != (Interval{1234 * time.Microsecond, 0x8000_0000}) || len(o.Body)+4 != IntervalLen {
			t.Errorf("OPT_NAK_BO_IVL: %+v, %v", got, err)
		}
	}
	_, opts = alone(Range{Max: time.Second, Min: ms}.AppendTo)
	for o := range packet.Options(opts) {
		if got, err := ParseRange(o); err != nil || got != (Range{time.Second, ms}) || len(o.Body)+4 != RangeLen {
			t.Errorf("OPT_NAK_BO_RNG: %+v, %v", got, err)
		}
	}
	for _, path := range []netip.Addr{path4, path6} {
		_, opts = alone(func(b []byte) []byte { return AppendPath(b, path) })
		for o := range packet.Options(opts) {
			if got, err := ParsePath(o); err != nil || got != path {
				t.Errorf("OPT_PATH_NLA: %v, %v", got, err)
			}
		}
	}
}

func TestOptionsOfEveryLength(t *testing.T) {
	body := make([]byte, 252)
	for n := range body {
		_, err := ParseInterval(packet.Option{Type: packet.OptNAKBOIvl, Body: body[:n]})
		if n == 8 != (err == nil) || err != nil && !errors.Is(err, packet.ErrOption) {
			t.Errorf("OPT_NAK_BO_IVL of length %d: %v", 4+n, err)
		}
		_, err = ParseRange(packet.Option{Type: packet.OptNAKBORng, Body: body[:n]})
		if n == 8 != (err == nil) || err != nil && !errors.Is(err, packet.ErrOption) {
			t.Errorf("OPT_NAK_BO_RNG of length %d: %v", 4+n, err)
		}
		_, err = ParsePath(packet.Option{Type: packet.OptPathNLA, Body: body[:n]})
		if (n == 4 || n == 16) != (err == nil) || err != nil && !errors.Is(err, packet.ErrOption) {
			t.Errorf("OPT_PATH_NLA of length %d: %v", 4+n, err)
		}
	}
	_, err := ParseRange(packet.Option{})
	if want := "packet: OPT_NAK_BO_RNG length at offset 1: malformed option list"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func FuzzOptions(f *testing.F) {
	f.Add([]byte{0, 0, 0x13, 0x88, 0, 0, 0, 6})
	f.Add([]byte{192, 0, 2, 1})
	f.Fuzz(func(t *testing.T, body []byte) {
		body = body[:min(len(body), packet.MaxOptionBody)]
		if i, err := ParseInterval(packet.Option{Body: body}); err == nil && !bytes.Equal(i.AppendTo(nil)[4:], body) {
			t.Errorf("%x: OPT_NAK_BO_IVL came back as %x", body, i.AppendTo(nil))
		}
		if r, err := ParseRange(packet.Option{Body: body}); err == nil && !bytes.Equal(r.AppendTo(nil)[4:], body) {
			t.Errorf("%x: OPT_NAK_BO_RNG came back as %x", body, r.AppendTo(nil))
		}
		if a, err := ParsePath(packet.Option{Body: body}); err == nil {
			if again, err := ParsePath(packet.Option{Body: AppendPath(nil, a)[4:]}); err != nil || again != a {
				t.Errorf("%x: OPT_PATH_NLA %v came back as %v", body, a, again)
			}
		}
	})
}

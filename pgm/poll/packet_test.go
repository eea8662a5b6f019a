package poll

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

const ms = time.Millisecond

var (
	start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	tsi   = packet.TSI{GSI: packet.GSI{0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f}, Port: 0x1234}
	dest  = uint16(7500) // 0x1d4c
	path4 = netip.MustParseAddr("192.0.2.1")
	path6 = netip.MustParseAddr("2001:db8::1")
)

// newRand returns a generator that draws the same in each run.
func newRand() *rand.Rand { return rand.New(rand.NewPCG(14, 15)) }

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// parsePoll reads a whole POLL.
func parsePoll(b []byte) (h packet.Header, p Packet, opts []byte, err error) {
	body, err := h.Parse(b)
	if err == nil {
		opts, err = p.Parse(&h, body)
	}
	return h, p, opts, err
}

// parseReply reads a whole POLR.
func parseReply(b []byte) (h packet.Header, r Reply, opts []byte, err error) {
	body, err := h.Parse(b)
	if err == nil {
		opts, err = r.Parse(&h, body)
	}
	return h, r, opts, err
}

const (
	pollHeader  = "1234 1d4c 01 00 0000 0a1b2c3d4e5f 0000 "
	replyHeader = "1d4c 1234 02 00 0000 0a1b2c3d4e5f 0000 "
)

var polls = []struct {
	name string
	p    Packet
	want string // with a checksum of 0
}{
	{"IPv4", Packet{SQN: 7, Round: 2, Path: path4, BackOff: 50 * ms, Rand: 0xdeadbeef, Mask: 0x00ff0001},
		pollHeader + "00000007 0002 0000 0001 0000 c0000201 0000c350 deadbeef 00ff0001"},
	{"IPv6", Packet{SQN: 1, Path: path6, BackOff: 2 * time.Second},
		pollHeader + "00000001 0000 0000 0002 0000 20010db8000000000000000000000001 001e8480 00000000 00000000"},
	{"for DLRs, the greatest values", Packet{SQN: 0xffff_ffff, Round: 0xffff, Subtype: DLR, Path: path4, BackOff: math.MaxUint32 * time.Microsecond, Rand: 0xffff_ffff, Mask: 0xffff_ffff},
		pollHeader + "ffffffff ffff 0001 0001 0000 c0000201 ffffffff ffffffff ffffffff"},
	{"a sub-type without a meaning", Packet{SQN: 1, Subtype: 7, Path: path4, BackOff: time.Microsecond},
		pollHeader + "00000001 0000 0007 0001 0000 c0000201 00000001 00000000 00000000"},
}

// withInterval is a POLL with OPT_NAK_BO_IVL.
const withInterval = "1234 1d4c 01 03 0000 0a1b2c3d4e5f 0000 00000007 0002 0000 0001 0000 c0000201 0000c350 deadbeef 00ff0001 00040010 840c0000 00001388 00000006"

// [14.7.1-01]
func TestPollFormat(t *testing.T) {
	for _, tt := range polls {
		wire := tt.p.Append(packet.Downstream(packet.TypePOLL, tsi, dest).Append(nil))
		if want := unhex(t, tt.want); !bytes.Equal(wire, want) {
			t.Errorf("%s:\n got %x\nwant %x", tt.name, wire, want)
			continue
		}
		if tt.p.Len() != len(wire) || tt.p.Path.Is4() && len(wire) != 44 || tt.p.Path.Is6() && len(wire) != 56 {
			t.Errorf("%s: Len is %d, of %d octets", tt.name, tt.p.Len(), len(wire))
		}
		packet.Seal(wire)
		if h, p, _, err := parsePoll(wire); err != nil || p != tt.p || h.TSI() != tsi || h.DataDestPort() != dest {
			t.Errorf("%s: parsed as %+v, %v", tt.name, p, err)
		}
	}
}

// POLL_BO_IVL travels as microseconds, and never becomes shorter by that unless it cannot be told.
func TestBackOffInMicroseconds(t *testing.T) {
	for _, tt := range []struct{ d, want time.Duration }{
		{-1, 0}, {0, 0}, {1, time.Microsecond}, {1000, time.Microsecond}, {1001, 2 * time.Microsecond},
		{math.MaxUint32 * time.Microsecond, math.MaxUint32 * time.Microsecond}, {math.MaxInt64, math.MaxUint32 * time.Microsecond},
	} {
		if got := duration(binary.BigEndian.AppendUint32(nil, micros(tt.d))); got != tt.want {
			t.Errorf("%v becomes %v, want %v", tt.d, got, tt.want)
		}
	}
}

var replies = []struct {
	name string
	r    Reply
	want string
}{
	{"first round", Reply{SQN: 7}, replyHeader + "00000007 0000 0000"},
	{"the greatest values", Reply{SQN: 0xffff_ffff, Round: 0xffff}, replyHeader + "ffffffff ffff 0000"},
}

// withRedirect is a POLR with OPT_REDIRECT.
const withRedirect = "1d4c 1234 02 03 0000 0a1b2c3d4e5f 0000 00000007 0001 0000 00040010 870c0000 00010000 c0000209"

// [14.7.2-01], [14.2.2-02]
func TestReplyFormat(t *testing.T) {
	for _, tt := range replies {
		wire, ok := bytes.CutPrefix(AppendReply([]byte("before"), tsi, dest, tt.r), []byte("before"))
		if !ok || len(wire) != ReplyLen || ReplyLen != 24 {
			t.Errorf("%s: what was before is gone, or %d octets", tt.name, len(wire))
		}
		if h, r, _, err := parseReply(wire); err != nil || r != tt.r || h.TSI() != tsi || h.DataDestPort() != dest || h.Checksum == 0 {
			t.Errorf("%s: parsed as %+v, %v", tt.name, r, err)
		}
		clear(wire[6:8])
		if want := unhex(t, tt.want); !bytes.Equal(wire, want) {
			t.Errorf("%s:\n got %x\nwant %x", tt.name, wire, want)
		}
	}
}

// [14.2.1-03], [14.2.2-01]
func TestOptionsAreReturned(t *testing.T) {
	_, _, opts, err := parsePoll(unhex(t, withInterval))
	o, ok := packet.FindOption(opts, packet.OptNAKBOIvl)
	if i, _ := ParseInterval(o); err != nil || !ok || i != (Interval{5 * ms, 6}) {
		t.Errorf("POLL: options %x, %v", opts, err)
	}
	_, _, opts, err = parseReply(unhex(t, withRedirect))
	if _, ok := packet.FindOption(opts, packet.OptRedirect); err != nil || !ok {
		t.Errorf("POLR: options %x, %v", opts, err)
	}
}

func TestPrefixIsTruncated(t *testing.T) {
	for _, s := range []string{polls[0].want, polls[1].want, withInterval} {
		wire := unhex(t, s)
		for n := range wire {
			if _, _, _, err := parsePoll(wire[:n]); !errors.Is(err, packet.ErrTruncated) {
				t.Errorf("first %d octets of %s: %v", n, s, err)
			}
		}
	}
	for _, s := range []string{replies[0].want, withRedirect} {
		wire := unhex(t, s)
		for n := range wire {
			if _, _, _, err := parseReply(wire[:n]); !errors.Is(err, packet.ErrTruncated) {
				t.Errorf("first %d octets of %s: %v", n, s, err)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, wire string
		want       error
	}{
		{"another type", "1234 1d4c 0c 00 0000 0a1b2c3d4e5f 0000 00000001 0000 0000 0001 0000 c0000201 00000001 00000000 00000000", packet.ErrType},
		{"AFI 9", pollHeader + "00000001 0000 0000 0009 0000 c0000201 00000001 00000000 00000000", packet.ErrReserved},
		{"AFI of IPv6 with an IPv4 address", pollHeader + "00000001 0000 0000 0002 0000 c0000201 00000001 00000000 00000000", packet.ErrTruncated},
		{"AFI of IPv4 with an IPv6 address", pollHeader + "00000001 0000 0000 0001 0000 20010db8000000000000000000000001 00000001 00000000 00000000", packet.ErrLength},
		{"octets behind the end", polls[0].want + "00", packet.ErrLength},
		{"octets behind the options", withInterval + "00000000", packet.ErrLength},
		{"options without the bit", polls[0].want + "00040010 840c0000 00001388 00000006", packet.ErrLength},
	} {
		if _, _, _, err := parsePoll(unhex(t, tt.wire)); !errors.Is(err, tt.want) {
			t.Errorf("POLL, %s: %v, want %v", tt.name, err, tt.want)
		}
	}
	for _, tt := range []struct {
		name, wire string
		want       error
	}{
		{"another type", "1d4c 1234 0c 00 0000 0a1b2c3d4e5f 0000 00000007 0000 0000", packet.ErrType},
		{"octets behind the end", replies[0].want + "00", packet.ErrLength},
		{"octets behind the options", withRedirect + "00", packet.ErrLength},
	} {
		if _, _, _, err := parseReply(unhex(t, tt.wire)); !errors.Is(err, tt.want) {
			t.Errorf("POLR, %s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// Every length that an option can say it has: an error, or a list that agrees with the packet.
func TestEveryOptionLength(t *testing.T) {
	for _, room := range []int{0, 8, 251} {
		for length := range 256 {
			options := binary.BigEndian.AppendUint32(nil, uint32(0x0004_0000+8+room))
			options = append(options, 0x80|byte(packet.OptNAKBOIvl), byte(length), 0, 0)
			options = append(options, make([]byte, room)...)
			good := length == 4+room
			h := packet.Downstream(packet.TypePOLL, tsi, dest)
			h.Options = packet.FlagOptions
			var p Packet
			if _, err := p.Parse(&h, append(Packet{Path: path4}.Append(nil), options...)); good != (err == nil) || !good && !errors.Is(err, packet.ErrOption) {
				t.Errorf("POLL, option length %d of %d octets: %v", length, 4+room, err)
			}
			h.Type = packet.TypePOLR
			var r Reply
			if _, err := r.Parse(&h, append(Reply{}.Append(nil), options...)); good != (err == nil) || !good && !errors.Is(err, packet.ErrOption) {
				t.Errorf("POLR, option length %d of %d octets: %v", length, 4+room, err)
			}
		}
	}
}

func FuzzPacket(f *testing.F) {
	for _, tt := range polls {
		f.Add(unhex(f, tt.want))
	}
	f.Add(unhex(f, withInterval))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, p, opts, err := parsePoll(b)
		if err != nil {
			var e *packet.Error
			if !errors.As(err, &e) {
				t.Fatalf("not an *Error: %v", err)
			}
			return
		}
		wire := append(p.Append(h.Append(nil)), opts...)
		packet.Seal(wire)
		if _, again, o, err := parsePoll(wire); err != nil || again != p || !bytes.Equal(o, opts) {
			t.Fatalf("%+v came back as %+v, %v", p, again, err)
		}
	})
}

func FuzzReply(f *testing.F) {
	for _, tt := range replies {
		f.Add(unhex(f, tt.want))
	}
	f.Add(unhex(f, withRedirect))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, r, opts, err := parseReply(b)
		if err != nil {
			return
		}
		wire := append(r.Append(h.Append(nil)), opts...)
		packet.Seal(wire)
		if _, again, o, err := parseReply(wire); err != nil || again != r || !bytes.Equal(o, opts) {
			t.Fatalf("%+v came back as %+v, %v", r, again, err)
		}
	})
}

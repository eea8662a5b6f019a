package pcap

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/pgm/packet"
)

// optionOf returns the option that v writes.
func optionOf(v Value) Option {
	var l Options
	l.Add(v)
	return l.List[0]
}

func TestOptions(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	tests := []struct {
		value Value
		wire  string
		text  string
	}{
		{packet.Fragment{First: 1, Offset: 2, Length: 3}, "01100000 00000001 00000002 00000003", "OPT_FRAGMENT {First:1 Offset:2 Length:3}"},
		{NAKList{5, 0xffffffff}, "020c0000 00000005 ffffffff", "OPT_NAK_LIST [5 4294967295]"},
		{Join(7), "03080000 00000007", "OPT_JOIN 7"},
		{BackOffInterval{50000, 9}, "040c0000 0000c350 00000009", "OPT_NAK_BO_IVL {Interval:50000 SQN:9}"},
		{BackOffRange{Max: 2, Min: 1}, "050c0000 00000002 00000001", "OPT_NAK_BO_RNG {Max:2 Min:1}"},
		{Redirect{v4}, "070c0000 00010000 c0000201", "OPT_REDIRECT {DLR:192.0.2.1}"},
		{Redirect{v6}, "07180000 00020000 20010db8000000000000000000000001", "OPT_REDIRECT {DLR:2001:db8::1}"},
		{ParityParams{true, false, 8}, "08080002 00000008", "OPT_PARITY_PRM {ProActive:true OnDemand:false GroupSize:8}"},
		{ParityParams{false, true, 8}, "08080001 00000008", "OPT_PARITY_PRM {ProActive:false OnDemand:true GroupSize:8}"},
		{ParityGroup(3), "09080000 00000003", "OPT_PARITY_GRP 3"},
		{CurrentGroupSize(5), "0a080000 00000005", "OPT_CURR_TGSIZE 5"},
		{Flag(packet.OptNbrUnreach), "0b040000", "OPT_NBR_UNREACH"},
		{PathNLA{v4}, "0c080000 c0000201", "OPT_PATH_NLA {Path:192.0.2.1}"},
		{PathNLA{v6}, "0c140000 20010db8000000000000000000000001", "OPT_PATH_NLA {Path:2001:db8::1}"},
		{Flag(packet.OptSyn), "0d040000", "OPT_SYN"},
		{Flag(packet.OptFin), "0e040000", "OPT_FIN"},
		{packet.Reset{NoRepair: true, Code: 5}, "0f040045", "OPT_RST {NoRepair:true Code:5}"},
		{CongestionReport{true, false, true, 50, 1, 2, 3, v4}, "10180005 00000032 0001 0002 0003 0000 0001 0000 c0000201",
			"OPT_CR {Link:true Path:false Rcvr:true Lead:50 WorstLink:1 WorstPath:2 RcvrWorstPath:3 Receiver:192.0.2.1}"},
		{CongestionRequest{false, true, false}, "11040002", "OPT_CRQST {Link:false Path:true Rcvr:false}"},
		{congestion.Data{Timestamp: 9, Acker: v4}, "12100000 00000009 00010000 c0000201", "OPT_PGMCC_DATA {Timestamp:9 Acker:192.0.2.1}"},
		{congestion.Echo{Timestamp: 9, Loss: 0xabcd, Receiver: v6}, "131c0000 00000009 0002abcd 20010db8000000000000000000000001",
			"OPT_PGMCC_FEEDBACK {Timestamp:9 Loss:43981 Receiver:2001:db8::1}"},
		{congestion.Probe{Timestamp: 1, Acker: 2, RTT: 3, Threshold: 4}, "60140000 00000001 00000002 00000003 00000004",
			"OPT_PROBE {Timestamp:1 Acker:2 RTT:3 Threshold:4}"},
		{congestion.Reception{Leaving: true, ID: 7, Limit: 9}, "612c0001 00000007" + strings.Repeat(" 00000000", 8) + " 00000009",
			"OPT_RECEPTION {Leaving:true ID:7 Timestamp:0 Held:0 Delay:0 Standing:0 Received:0 Lost:0 Overflow:0 Rate:0 Limit:9}"},
		{Unknown{packet.Option{Type: 0x55, OPX: packet.OPXDiscard, F: true, U: true, Flags: 0x11, Body: []byte{1, 2, 3}}}, "55070691 010203", "option 0x55 010203"},
		{Unknown{packet.Option{Type: packet.OptInvalid, Body: []byte{1}}}, "7f050000 01", "OPT_INVALID 01"},
	}
	for _, tt := range tests {
		if got := hex.EncodeToString(tt.value.AppendTo(nil)); got != strings.ReplaceAll(tt.wire, " ", "") {
			t.Errorf("%+v is %s, want %s", tt.value, got, tt.wire)
		}
		o := optionOf(tt.value)
		if got, err := o.Value(); err != nil || !reflect.DeepEqual(got, tt.value) {
			t.Errorf("%s says %+v, %v; want %+v", tt.wire, got, err, tt.value)
		}
		if o.String() != tt.text {
			t.Errorf("%s reads %q, want %q", tt.wire, o, tt.text)
		}
		if _, ok := tt.value.(Unknown); ok {
			continue
		}
		if last := tt.wire[:2]; last == "02" || last == "0c" { // of several lengths; those that are wrong come below
			continue
		}
		for n := range o.Body { // each prefix, and an octet too many
			short := o
			short.Body = o.Body[:n]
			if v, err := short.Value(); err == nil {
				t.Errorf("%s, cut to %d octets, says %+v", tt.wire, n, v)
			}
		}
		if o.Type == congestion.OptProbe || o.Type == congestion.OptReception { // what is behind them is for later versions
			continue
		}
		o.Body = append(append([]byte(nil), o.Body...), 0)
		if v, err := o.Value(); !errors.Is(err, packet.ErrOption) && !errors.Is(err, packet.ErrReserved) {
			t.Errorf("%s with an octet more says %+v, %v", tt.wire, v, err)
		}
	}
	for _, o := range []Option{
		{packet.Option{Type: packet.OptNAKList}},
		{packet.Option{Type: packet.OptNAKList, Body: make([]byte, 5)}},
		{packet.Option{Type: packet.OptPathNLA, Body: make([]byte, 5)}},
	} {
		if v, err := o.Value(); !errors.Is(err, packet.ErrOption) || !strings.Contains(o.String(), "malformed") {
			t.Errorf("%v: %+v, %v", o, v, err)
		}
	}
}

// What an option says in a parity packet can only be known when the group is decoded [9-07].
func TestEncodedOptionsArePassedOn(t *testing.T) {
	o := optionOf(packet.Fragment{First: 1, Offset: 2, Length: 3})
	o.F = true
	if v, err := o.Value(); err != nil || !reflect.DeepEqual(v, Unknown(o)) {
		t.Errorf("got %+v, %v", v, err)
	}
}

func TestLongListsAreCut(t *testing.T) {
	list := make(NAKList, 100)
	if o := optionOf(list); len(o.Body) != 62*4 {
		t.Errorf("%d octets, want those of 62 sequence numbers", len(o.Body))
	}
}

func TestBodiesOfPackets(t *testing.T) {
	path := netip.MustParseAddr("192.0.2.1")
	poll := PollRequest{SQN: 1, Round: 2, SubType: 1, Path: path, BackOff: 4, Random: 5, Mask: 6}
	tests := []struct {
		typ   packet.Type
		body  []byte
		wire  string
		parse func(h *packet.Header, b []byte) (any, error)
		want  any
	}{
		{packet.TypePOLL, poll.Append(nil), "00000001 0002 0001 0001 0000 c0000201 00000004 00000005 00000006",
			func(h *packet.Header, b []byte) (any, error) {
				var p PollRequest
				_, err := p.Parse(h, b)
				return p, err
			}, poll},
		{packet.TypePOLR, PollResponse{1, 2}.Append(nil), "00000001 0002 0000",
			func(h *packet.Header, b []byte) (any, error) {
				var p PollResponse
				_, err := p.Parse(h, b)
				return p, err
			}, PollResponse{1, 2}},
		{TypeACK, Acknowledgement{8, 0xfffffff9}.Append(nil), "00000008 fffffff9",
			func(h *packet.Header, b []byte) (any, error) {
				var p Acknowledgement
				_, err := p.Parse(h, b)
				return p, err
			}, Acknowledgement{8, 0xfffffff9}},
	}
	for _, tt := range tests {
		if got := hex.EncodeToString(tt.body); got != strings.ReplaceAll(tt.wire, " ", "") {
			t.Errorf("%v: %s, want %s", tt.typ, got, tt.wire)
		}
		h := &packet.Header{Type: tt.typ}
		if got, err := tt.parse(h, tt.body); err != nil || got != tt.want {
			t.Errorf("%v: got %+v, %v; want %+v", tt.typ, got, err, tt.want)
		}
		for n := range tt.body {
			if _, err := tt.parse(h, tt.body[:n]); !errors.Is(err, packet.ErrTruncated) {
				t.Errorf("%v, %d octets: %v", tt.typ, n, err)
			}
		}
		if _, err := tt.parse(h, append(tt.body, 0)); !errors.Is(err, packet.ErrLength) {
			t.Errorf("%v, an octet too many: %v", tt.typ, err)
		}
		if _, err := tt.parse(&packet.Header{Type: packet.TypeSPM}, tt.body); !errors.Is(err, packet.ErrType) {
			t.Errorf("%v, of another type: %v", tt.typ, err)
		}
	}
}

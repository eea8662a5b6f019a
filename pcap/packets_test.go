package pcap

import (
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

var (
	testTSI = packet.TSI{GSI: packet.GSI{0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f}, Port: 1000}
	source4 = netip.MustParseAddrPort("192.0.2.1:7500")
	group4  = netip.MustParseAddrPort("239.192.0.1:7500")
	source6 = netip.MustParseAddrPort("[2001:db8::1]:7500")
	group6  = netip.MustParseAddrPort("[ff15::1]:7500")
	start   = time.Unix(1_700_000_000, 123_456_789)
)

const testDest = 7500

// sample is one PGM packet with what it holds.
type sample struct {
	name    string
	typ     packet.Type
	body    []byte
	options []Value
	data    string
}

func (s sample) bytes() []byte {
	h := packet.Downstream(s.typ, testTSI, testDest)
	if s.typ.IsUpstream() {
		h = packet.Upstream(s.typ, testTSI, testDest)
	}
	h.TSDULength = uint16(len(s.data))
	b := append(h.Append(nil), s.body...)
	at := len(b)
	b = packet.BeginOptions(b)
	for _, o := range s.options {
		b = o.AppendTo(b)
	}
	b = append(packet.EndOptions(b, at), s.data...)
	packet.Seal(b)
	return b
}

// everyPacket returns packets of every type, and with every option where it belongs, for a session of either family.
func everyPacket(v6 bool) []sample {
	src, group := source4.Addr(), group4.Addr()
	if v6 {
		src, group = source6.Addr(), group6.Addr()
	}
	nakBody := binary.BigEndian.AppendUint32(nil, 42)
	nakBody = packet.AppendNLA(packet.AppendNLA(nakBody, src), group)
	spmBody := spm.Packet{SQN: 1, Trail: 40, Lead: 50, Path: src}.Append(nil)
	data := packet.Data{SQN: 42, Trail: 40}.Append(nil)
	poll := PollRequest{SQN: 7, Round: 1, SubType: PollDLR, Path: src, BackOff: 50_000, Random: 0x12345678, Mask: 0xff}.Append(nil)
	return []sample{
		{"SPM", packet.TypeSPM, spmBody, nil, ""},
		{"SPM of a session that begins", packet.TypeSPM, spmBody, []Value{
			BackOffInterval{50_000, 0}, BackOffRange{100_000, 10_000}, ParityParams{true, false, 8}, CurrentGroupSize(5),
			CongestionRequest{Link: true, Rcvr: true}, Join(40),
		}, ""},
		{"SPM of a session that ends", packet.TypeSPM, spmBody, []Value{Flag(packet.OptFin)}, ""},
		{"SPM of a session that broke", packet.TypeSPM, spmBody, []Value{packet.Reset{NoRepair: true, Code: 5}}, ""},
		{"special SPM", packet.TypeSPM, spm.Packet{SQN: 1, Lead: spm.NoLead, Path: src}.Append(nil), []Value{Flag(packet.OptNbrUnreach)}, ""},
		{"POLL", packet.TypePOLL, poll, []Value{BackOffInterval{50_000, 7}}, ""},
		{"POLR", packet.TypePOLR, PollResponse{7, 1}.Append(nil), nil, ""},
		{"redirecting POLR", packet.TypePOLR, PollResponse{7, 1}.Append(nil), []Value{Redirect{src}}, ""},
		{"ODATA", packet.TypeODATA, data, nil, "hello, world"},
		{"empty ODATA", packet.TypeODATA, data, []Value{Flag(packet.OptFin)}, ""},
		{"first ODATA", packet.TypeODATA, data, []Value{Flag(packet.OptSyn), Join(40), packet.Fragment{First: 41, Offset: 12, Length: 30}}, "hello, world"},
		{"ODATA with PGMCC", packet.TypeODATA, data, []Value{congestion.Data{Timestamp: 1234, Acker: src}}, "hello, world"},
		{"RDATA", packet.TypeRDATA, data, []Value{CurrentGroupSize(5)}, "hello, world"},
		{"NAK", packet.TypeNAK, nakBody, nil, ""},
		{"NAK with a list", packet.TypeNAK, nakBody, []Value{NAKList{43, 44, 47}, CongestionReport{false, true, true, 50, 0, 100, 2000, src}}, ""},
		{"NNAK", packet.TypeNNAK, nakBody, []Value{NAKList{43}}, ""},
		{"NCF", packet.TypeNCF, nakBody, nil, ""},
		{"unicast NCF", packet.TypeNCF, nakBody, []Value{NAKList{43}, BackOffInterval{50_000, 0}, Flag(packet.OptNbrUnreach), PathNLA{src}}, ""},
		{"SPMR", packet.TypeSPMR, nil, nil, ""},
		{"ACK", TypeACK, Acknowledgement{42, 0xfffffff9}.Append(nil), []Value{congestion.Echo{Timestamp: 1240, Loss: 99, Receiver: src}}, ""},
	}
}

// odata returns an ODATA of the given SQN and size of TSDU.
func odata(sqn packet.SQN, size int) []byte {
	h := packet.Downstream(packet.TypeODATA, testTSI, testDest)
	h.TSDULength = uint16(size)
	tsdu := make([]byte, size)
	for i := range tsdu {
		tsdu[i] = byte(i)
	}
	b := packet.Data{SQN: sqn, Trail: 1, TSDU: tsdu}.Append(h.Append(nil))
	packet.Seal(b)
	return b
}

func nakFor(sqn packet.SQN) []byte {
	return nak.Append(nil, packet.Upstream(packet.TypeNAK, testTSI, testDest), &nak.Packet{SQN: sqn, Source: source4.Addr(), Group: group4.Addr()})
}

// network returns the IP packet that holds p.
func network(t testing.TB, p Packet) []byte {
	t.Helper()
	b, err := appendNetwork(nil, &p, len(p.Data))
	if err != nil {
		t.Fatal(err)
	}
	return append(b, p.Data...)
}

// udp4 returns an IPv4 packet to the group that holds data in UDP.
func udp4(t testing.TB, data []byte) []byte {
	return network(t, Packet{Src: source4, Dst: group4, TTL: 16, UDP: true, Data: data})
}

// record is a frame for a capture that a test makes.
type record struct {
	time time.Time
	data []byte
	wire int // 0: len(data)
}

func (r record) length() uint32 { return uint32(max(r.wire, len(r.data))) }

// classicCapture makes a pcap file.
func classicCapture(order binary.AppendByteOrder, nano bool, link linkType, records ...record) []byte {
	magic, unit := uint32(magicMicroseconds), 1000
	if nano {
		magic, unit = magicNanoseconds, 1
	}
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(order.AppendUint16(b, 2), 4)
	b = append(b, make([]byte, 8)...)
	b = order.AppendUint32(order.AppendUint32(b, maxFrame), uint32(link))
	for _, r := range records {
		b = order.AppendUint32(b, uint32(r.time.Unix()))
		b = order.AppendUint32(b, uint32(r.time.Nanosecond()/unit))
		b = order.AppendUint32(b, uint32(len(r.data)))
		b = order.AppendUint32(b, r.length())
		b = append(b, r.data...)
	}
	return b
}

// block appends a pcapng block.
func block(b []byte, order binary.AppendByteOrder, kind uint32, body []byte) []byte {
	total := uint32(12 + (len(body)+3)&^3)
	b = order.AppendUint32(order.AppendUint32(b, kind), total)
	b = append(append(b, body...), make([]byte, -len(body)&3)...)
	return order.AppendUint32(b, total)
}

// section appends a section with one interface; resol is its if_tsresol.
func section(b []byte, order binary.AppendByteOrder, link linkType, resol byte) []byte {
	body := order.AppendUint32(nil, byteOrderMagic)
	body = order.AppendUint16(order.AppendUint16(body, 1), 0)
	b = block(b, order, blockSection, append(body, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))
	return describe(b, order, link, resol)
}

func describe(b []byte, order binary.AppendByteOrder, link linkType, resol byte) []byte {
	body := order.AppendUint16(order.AppendUint16(nil, uint16(link)), 0)
	body = order.AppendUint32(body, maxFrame)
	body = order.AppendUint16(order.AppendUint16(body, optionTSResol), 1)
	body = append(body, resol, 0, 0, 0)
	return block(b, order, blockInterface, append(body, 0, 0, 0, 0))
}

// enhanced appends an Enhanced Packet Block; stamp is in units of the interface.
func enhanced(b []byte, order binary.AppendByteOrder, iface uint32, stamp uint64, r record) []byte {
	body := order.AppendUint32(nil, iface)
	body = order.AppendUint32(order.AppendUint32(body, uint32(stamp>>32)), uint32(stamp))
	body = order.AppendUint32(order.AppendUint32(body, uint32(len(r.data))), r.length())
	return block(b, order, blockEnhanced, append(body, r.data...))
}

// ngCapture makes a pcapng file with nanoseconds.
func ngCapture(order binary.AppendByteOrder, link linkType, records ...record) []byte {
	b := section(nil, order, link, 9)
	for _, r := range records {
		b = enhanced(b, order, 0, uint64(r.time.UnixNano()), r)
	}
	return b
}

// readAll reads a capture to its end; the packets' data is copied.
func readAll(r *Reader) (all []Packet, err error) {
	for {
		var p Packet
		if err := r.Read(&p); err == io.EOF {
			return all, nil
		} else if err != nil {
			return all, err
		}
		p.Data = append([]byte(nil), p.Data...)
		all = append(all, p)
	}
}

// isFormatError returns the *FormatError in err, and fails the test if there is none.
func isFormatError(t *testing.T, err error) *FormatError {
	t.Helper()
	var f *FormatError
	if !errors.As(err, &f) {
		t.Fatalf("error %v is no *FormatError", err)
	}
	return f
}

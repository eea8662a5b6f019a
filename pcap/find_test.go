package pcap

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Each type of packet is found on its own, on a port that nobody named.
func TestEveryPacketIsFoundOnAnyPort(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, s := range everyPacket(v6) {
			p := Packet{Src: netip.MustParseAddrPort("10.0.0.1:999"), Dst: netip.MustParseAddrPort("10.0.0.2:53"), UDP: true, Data: s.bytes()}
			all, stats := readFrames(t, Config{}, network(t, p))
			if len(all) != 1 || !bytes.Equal(all[0].Data, p.Data) {
				t.Errorf("%s (IPv6 %v): %d packets, %+v", s.name, v6, len(all), stats)
			}
		}
	}
}

func TestOtherTrafficIsNotPGM(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var frames [][]byte
	for range 20_000 {
		b := make([]byte, rng.IntN(80))
		for i := range b {
			b[i] = byte(rng.UintN(256))
		}
		if len(b) > 5 && rng.IntN(2) == 0 { // as like as may be
			b[4] &= 0x0f
			b[5] = 0
		}
		frames = append(frames, udp4(t, b))
	}
	for _, s := range everyPacket(false) { // one octet is wrong, or one too many or missing
		b := s.bytes()
		at := rng.IntN(len(b))
		b[at] ^= 1 << rng.IntN(8)
		frames = append(frames, udp4(t, b), udp4(t, append(s.bytes(), 1)), udp4(t, s.bytes()[:len(b)-1]))
	}
	if all, stats := readFrames(t, Config{}, frames...); len(all) != 0 || stats.OtherUDP+stats.Malformed != stats.Frames {
		t.Errorf("found %d packets, the first %x; %+v", len(all), all[0].Data, stats)
	}
}

// Once PGM has been seen on its way to an address and port, what goes there is PGM, even if something is wrong with it.
func TestFlowsAreRemembered(t *testing.T) {
	broken := odata(2, 10)
	broken[30]++
	elsewhere := network(t, Packet{Src: source4, Dst: netip.MustParseAddrPort("239.192.0.1:7501"), UDP: true, Data: broken})
	all, stats := readFrames(t, Config{}, udp4(t, broken), udp4(t, odata(1, 10)), udp4(t, broken), elsewhere, udp4(t, []byte("hello")))
	if len(all) != 3 || all[1].Number != 3 || all[2].Number != 5 || stats.OtherUDP != 2 {
		t.Errorf("found %d packets; %+v", len(all), stats)
	}
}

// A report has no structure that proves it to be PGM; a session that is known does.
func TestSessionsAreRemembered(t *testing.T) {
	report := packet.Upstream(packet.TypeReport, testTSI, testDest).Append(nil)
	report = append(report, "it is here"...)
	packet.Seal(report)
	back := network(t, Packet{Src: netip.MustParseAddrPort("192.0.2.9:999"), Dst: source4, UDP: true, Data: report})
	if all, _ := readFrames(t, Config{}, back); len(all) != 0 {
		t.Error("a report out of the blue was found")
	}
	if all, _ := readFrames(t, Config{}, udp4(t, odata(1, 10)), back); len(all) != 2 {
		t.Errorf("found %d packets, want the data and the report", len(all))
	}
	unsealed := nakFor(5)
	unsealed[6], unsealed[7] = 0, 0 // which is allowed
	back = network(t, Packet{Src: netip.MustParseAddrPort("192.0.2.9:999"), Dst: source4, UDP: true, Data: unsealed})
	if all, _ := readFrames(t, Config{}, back, udp4(t, odata(1, 10)), back); len(all) != 2 {
		t.Errorf("found %d packets, want the data and the second NAK", len(all))
	}
}

// Of a flow of which every packet was cut, the second packet proves it.
func TestPacketsThatWereCutAreFound(t *testing.T) {
	var records []record
	for i := range packet.SQN(3) {
		ip := udp4(t, odata(i+1, 1000))
		records = append(records, record{start, ip[:96], len(ip)})
	}
	all, _ := readRecords(t, Config{}, records...)
	if len(all) != 2 || all[0].Number != 2 || !all[0].Truncated || all[0].Length != 1024 {
		t.Errorf("found %+v", all)
	}
}

func TestPortsAreTakenAsTheyAreNamed(t *testing.T) {
	c := Config{Ports: []uint16{53, 7500}}
	other := network(t, Packet{Src: netip.MustParseAddrPort("10.0.0.1:1"), Dst: netip.MustParseAddrPort("10.0.0.2:2"), UDP: true, Data: odata(1, 1)})
	from := network(t, Packet{Src: netip.MustParseAddrPort("10.0.0.1:53"), Dst: netip.MustParseAddrPort("10.0.0.2:2"), UDP: true, Data: []byte("?")})
	if all, _ := readFrames(t, c, udp4(t, []byte("hello")), other, from); len(all) != 2 || string(all[0].Data) != "hello" {
		t.Errorf("found %d packets", len(all))
	}
}

// With segmentation in the network card, a capture on the sending host has one datagram where there are many on the wire.
func TestCoalescedPacketsAreTakenApart(t *testing.T) {
	var data []byte
	for i := range packet.SQN(5) {
		data = append(data, odata(i+1, 1000-int(i)/4*300)...)
	}
	naks := append(nakFor(1), nakFor(2)...)
	all, stats := readFrames(t, Config{}, udp4(t, data), udp4(t, naks))
	if len(all) != 7 || stats.Frames != 2 || stats.Packets != 7 {
		t.Fatalf("%d packets, %+v", len(all), stats)
	}
	for i, p := range all {
		want := nakFor(packet.SQN(i - 4))
		if i < 5 {
			want = odata(packet.SQN(i+1), 1000-i/4*300)
		}
		if !bytes.Equal(p.Data, want) || !p.Coalesced || p.Truncated || p.Length != len(want) {
			t.Errorf("packet %d: %d octets of %d, coalesced %v", i, len(p.Data), p.Length, p.Coalesced)
		}
	}
	ip := udp4(t, data)
	all, _ = readRecords(t, Config{}, record{start, ip[:28+1024+500], len(ip)})
	if len(all) != 2 || all[0].Truncated || !all[1].Truncated || len(all[1].Data) != 500 || all[1].Length != 1024 {
		t.Errorf("cut: %+v", all)
	}
	all, _ = readRecords(t, Config{Ports: []uint16{7500}}, record{start, ip[:28+100], len(ip)})
	if len(all) != 1 || !all[0].Truncated || !all[0].Coalesced || all[0].Length != 1024 {
		t.Errorf("cut in the first packet: %+v", all)
	}
	// What follows a packet and is not of its session is not taken for packets.
	other := odata(2, 10)
	other[9]++
	packet.Seal(other)
	all, _ = readFrames(t, Config{Ports: []uint16{7500}}, udp4(t, append(odata(1, 10), other...)))
	if len(all) != 1 || all[0].Coalesced || len(all[0].Data) != 2*34 {
		t.Errorf("got %+v", all)
	}
}

// A million sessions and flows leave the reader as large as it is allowed to be, and it says so.
func TestWhatIsRememberedIsBounded(t *testing.T) {
	f := newFinder(nil)
	b := odata(1, 1)
	const n = 3 * maxKnown
	for i := range uint32(n) {
		be.PutUint32(b[8:], i)
		packet.Seal(b)
		dst := netip.AddrPortFrom(netip.AddrFrom4([4]byte(be.AppendUint32(nil, i))), 7500)
		if !f.isPGM(source4, dst, b, len(b)) {
			t.Fatal("not found")
		}
		f.isPGM(source4, netip.AddrPortFrom(dst.Addr(), 1), b[:24], len(b)) // cut
	}
	if len(f.flows) != maxKnown || len(f.sessions) != maxKnown || len(f.suspects) > maxKnown || f.refused < 2*(n-maxKnown) {
		t.Errorf("%d flows, %d sessions, %d suspects, %d refused", len(f.flows), len(f.sessions), len(f.suspects), f.refused)
	}
}

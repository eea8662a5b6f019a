package pcap

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/gopgm/gopgm/pgm/packet"
)

// written returns packets of every type, in both families, bare and in UDP, with and without Router Alert.
func written() (all []Packet) {
	now := start
	for _, v6 := range []bool{false, true} {
		for _, s := range everyPacket(v6) {
			for _, alert := range []bool{false, true} {
				for _, udp := range []bool{false, true} {
					p := Packet{Number: len(all) + 1, Time: now, Src: source4, Dst: group4, TTL: 16, RouterAlert: alert, UDP: udp, Data: s.bytes()}
					if v6 {
						p.Src, p.Dst = source6, group6
					}
					if !udp {
						p.Src, p.Dst = netip.AddrPortFrom(p.Src.Addr(), 0), netip.AddrPortFrom(p.Dst.Addr(), 0)
					}
					p.Length = len(p.Data)
					all = append(all, p)
					now = now.Add(time.Microsecond + 1)
				}
			}
		}
	}
	return all
}

// write makes a capture of packets.
func write(t testing.TB, packets []Packet) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packets {
		if err := w.Write(p); err != nil {
			t.Fatalf("packet %d: %v", p.Number, err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	want := written()
	r, err := Open(bytes.NewReader(write(t, want)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := readAll(r)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d packets, %v; want %d", len(got), err, len(want))
	}
	for i, w := range want {
		g := got[i]
		if !g.Time.Equal(w.Time) || !bytes.Equal(g.Data, w.Data) {
			t.Errorf("packet %d: got %v %x, want %v %x", i, g.Time, g.Data, w.Time, w.Data)
		}
		g.Time, g.Data, w.Time, w.Data = time.Time{}, nil, time.Time{}, nil
		if g.Number != w.Number || g.Src != w.Src || g.Dst != w.Dst || g.RouterAlert != w.RouterAlert || g.UDP != w.UDP || g.TTL != w.TTL || g.Length != w.Length {
			t.Errorf("packet %d: got %+v, want %+v", i, g, w)
		}
	}
}

// Another implementation of the format reads the same.
func TestAnotherReaderAgrees(t *testing.T) {
	want := written()
	r, err := pcapgo.NewNgReader(bytes.NewReader(write(t, want)), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	if r.LinkType() != layers.LinkTypeRaw {
		t.Errorf("link type %v, want raw", r.LinkType())
	}
	for _, w := range want {
		b, info, err := r.ReadPacketData()
		if err != nil {
			t.Fatalf("packet %d: %v", w.Number, err)
		}
		if !info.Timestamp.Equal(w.Time) || !bytes.HasSuffix(b, w.Data) || info.Length != len(b) {
			t.Errorf("packet %d: %v %x", w.Number, info, b)
		}
		first := gopacket.Decoder(layers.LayerTypeIPv4)
		if b[0]>>4 == 6 {
			first = layers.LayerTypeIPv6
		}
		p := gopacket.NewPacket(b, first, gopacket.NoCopy)
		if u, ok := p.TransportLayer().(*layers.UDP); ok {
			pseudo := append(w.Src.Addr().AsSlice(), w.Dst.Addr().AsSlice()...)
			pseudo = append(pseudo, 0, protoUDP, byte(u.Length>>8), byte(u.Length))
			if u.Checksum == 0 || packet.Sum(append(append(pseudo, u.Contents...), w.Data...)) != 0xffff {
				t.Errorf("packet %d: wrong UDP checksum %#x", w.Number, u.Checksum)
			}
		}
		if ip, ok := p.NetworkLayer().(*layers.IPv4); ok {
			if packet.Sum(b[:int(ip.IHL)*4]) != 0xffff || ip.TTL != 16 || int(ip.Length) != len(b) || w.RouterAlert != (len(ip.Options) == 1 && ip.Options[0].OptionType == 0x94) {
				t.Errorf("packet %d: %+v", w.Number, ip)
			}
		}
	}
	if _, _, err := r.ReadPacketData(); err != io.EOF {
		t.Errorf("after the last packet: %v", err)
	}
}

// A packet that was cut is written as one.
func TestPacketsThatWereCutAreWrittenAsSuch(t *testing.T) {
	p := Packet{Time: start, Src: source4, Dst: group4, UDP: true, Data: odata(1, 1000)[:100], Length: 1024, Truncated: true}
	r, err := OpenConfig(bytes.NewReader(write(t, []Packet{p})), Config{Ports: []uint16{7500}})
	if err != nil {
		t.Fatal(err)
	}
	all, err := readAll(r)
	if err != nil || len(all) != 1 || !all[0].Truncated || all[0].Length != 1024 || !bytes.Equal(all[0].Data, p.Data) || all[0].TTL != unknownTTL {
		t.Errorf("got %+v, %v", all, err)
	}
}

func TestWhatCannotBeWritten(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		p    Packet
		want error
	}{
		{Packet{Src: source4, Dst: group6, Data: nakFor(1)}, ErrAddress},
		{Packet{Src: source4, Data: nakFor(1)}, ErrAddress},
		{Packet{Src: source4, Dst: group4, UDP: true, Data: make([]byte, 65535-27)}, ErrTooLong},
		{Packet{Src: source4, Dst: group4, RouterAlert: true, Data: make([]byte, 65535-23)}, ErrTooLong},
		{Packet{Src: source6, Dst: group6, UDP: true, Data: make([]byte, 65535-7)}, ErrTooLong},
		{Packet{Src: source6, Dst: group6, RouterAlert: true, Data: make([]byte, 65535-7)}, ErrTooLong},
	} {
		if err := w.Write(tt.p); !errors.Is(err, tt.want) {
			t.Errorf("%v to %v, %d octets: %v, want %v", tt.p.Src, tt.p.Dst, len(tt.p.Data), err, tt.want)
		}
	}
	for _, p := range []Packet{
		{Dst: group4, Data: nakFor(1)}, // a source that is not known
		{Dst: group6, UDP: true, Data: make([]byte, 65535-8)},
		{Src: source4, Dst: netip.MustParseAddrPort("[::ffff:239.192.0.1]:7500"), UDP: true, Data: nakFor(1)},
	} {
		if err := w.Write(p); err != nil {
			t.Error(err)
		}
	}
	w.Flush()
	r, err := OpenConfig(&b, Config{Ports: []uint16{7500}})
	if err != nil {
		t.Fatal(err)
	}
	if all, err := readAll(r); len(all) != 3 || err != nil {
		t.Errorf("%d packets, %v; want the three that could be written", len(all), err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestFailureOfTheWriterIsTold(t *testing.T) {
	full := errors.New("no space left")
	w, err := NewWriter(failing{full})
	if err != nil {
		t.Fatal(err) // nothing has been flushed
	}
	p := Packet{Src: source4, Dst: group4, UDP: true, Data: odata(1, 60000)}
	for range 5 {
		err = w.Write(p)
	}
	if !errors.Is(err, full) || !errors.Is(w.Flush(), full) {
		t.Errorf("Write: %v, Flush: %v", err, w.Flush())
	}
}

func TestWriteDoesNotAllocate(t *testing.T) {
	w, err := NewWriter(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	p := Packet{Time: start, Src: source6, Dst: group6, UDP: true, RouterAlert: true, Data: odata(1, 1400)}
	if n := testing.AllocsPerRun(1000, func() {
		if err := w.Write(p); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

package pcap

import (
	"bytes"
	"io"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// Whatever a capture holds, reading it ends, with an error that says where it stopped if that is before the end, and each packet
// comes out of octets that were there. What was read can be written, and is then read the same.
func FuzzReader(f *testing.F) {
	for _, b := range captures(f) {
		f.Add(b)
	}
	f.Add(write(f, written()))
	var frames []record
	for _, b := range fragments(udp4(f, odata(1, 3000)), 9, 1480) {
		frames = append(frames, record{start, ethernet(b, etherVLAN, etherIPv4), 0})
	}
	f.Add(classicCapture(be, false, linkEthernet, frames...))
	f.Add(ngCapture(be, linkRaw, record{start, udp4(f, append(odata(1, 100), odata(2, 100)...)), 0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Open(bytes.NewReader(b))
		if err != nil {
			isFormatError(t, err)
			return
		}
		var out bytes.Buffer
		w, err := NewWriter(&out)
		if err != nil {
			t.Fatal(err)
		}
		var p Packet
		var kept []Packet
		total := 0
		for err = r.Read(&p); err == nil; err = r.Read(&p) {
			total += len(p.Data)
			if len(p.Data) > p.Length || p.Truncated != (len(p.Data) < p.Length) || p.Number < 1 || uint64(p.Number) != r.Stats().Frames {
				t.Fatalf("impossible packet %+v", p)
			}
			if p.Time.Year() < 1970 || p.Time.Year() > 2200 { // 64 bits of nanoseconds hold no more
				continue
			}
			if w.Write(p) == nil {
				p.Data = bytes.Clone(p.Data)
				kept = append(kept, p)
			}
		}
		if err != io.EOF && isFormatError(t, err).Offset > int64(len(b)) {
			t.Fatalf("stopped behind the end: %v", err)
		}
		if s := r.Stats(); total > len(b) || s.Frames > uint64(len(b)) {
			t.Fatalf("%d octets of packets from %d; %+v", total, len(b), s)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		again, err := newFramesReader(out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range kept {
			var f frame
			if err := again.next(&f); err != nil {
				t.Fatalf("packet %d: %v", i, err)
			}
			if !bytes.HasSuffix(f.data, want.Data) || !f.time.Equal(want.Time) && !want.Time.IsZero() {
				t.Fatalf("packet %d: read %v %x, wrote %v %x", i, f.time, f.data, want.Time, want.Data)
			}
		}
	})
}

func newFramesReader(b []byte) (frames, error) { return openFrames(bytes.NewReader(b)) }

// Whatever octets claim to be PGM, decoding them returns; what decodes to its end can be written, and decodes to the same.
func FuzzLayers(f *testing.F) {
	for _, v6 := range []bool{false, true} {
		for _, s := range everyPacket(v6) {
			f.Add(s.bytes())
		}
	}
	d, again := newDecoder(), newDecoder()
	f.Fuzz(func(t *testing.T, b []byte) {
		gopacket.NewPacket(b, LayerTypePGM, gopacket.Default)
		if err := d.parser.DecodeLayers(b, &d.decoded); err != nil || d.parser.Truncated {
			return
		}
		for _, o := range d.options.List {
			v, err := o.Value()
			if err != nil {
				continue
			}
			o2 := optionOf(v)
			if v2, err := o2.Value(); err != nil || o2.String() != o.String() {
				t.Fatalf("%v, written again, is %v, %v", o, v2, err)
			}
		}
		out := gopacket.NewSerializeBuffer()
		opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
		if err := gopacket.SerializeLayers(out, opts, d.serializable()...); err != nil {
			t.Fatal(err)
		}
		if err := again.parser.DecodeLayers(out.Bytes(), &again.decoded); err != nil {
			t.Fatalf("%x, from %x: %v", out.Bytes(), b, err)
		}
		if d.pgm.Fault == nil && again.pgm.Fault != nil {
			t.Fatalf("%x, from %x: %v", out.Bytes(), b, again.pgm.Fault)
		}
		for i, l := range d.decoded {
			if i >= len(again.decoded) || again.decoded[i] != l {
				t.Fatalf("layers %v, then %v", d.decoded, again.decoded)
			}
		}
	})
}

// Whatever an IP packet holds, it is taken apart or refused.
func FuzzNetwork(f *testing.F) {
	f.Add(uint16(linkRaw), udp4(f, odata(1, 10)))
	f.Add(uint16(linkEthernet), ethernet(udp4(f, odata(1, 10)), etherVLAN, etherIPv4))
	six := network(f, Packet{Src: source6, Dst: group6, RouterAlert: true, Data: odata(1, 3000)})
	f.Add(uint16(linkIPv6), six)
	f.Add(uint16(linkIPv6), fragments(six[:], 3, 1000)[1])
	var r reassembly
	f.Fuzz(func(t *testing.T, link uint16, b []byte) {
		fr := frame{link: linkType(link), data: b, length: len(b)}
		ip, wire, ok := fr.network()
		var d datagram
		if !ok || !d.parse(ip, wire) {
			return
		}
		if d.length < len(d.payload) {
			t.Fatalf("more payload than on the wire: %+v", d)
		}
		if d.fragment && r.add(start, &d) && d.length < len(d.payload) {
			t.Fatalf("more payload than on the wire: %+v", d)
		}
		if ip[0]>>4 == 4 && !d.fragment {
			var other layers.IPv4
			if err := other.DecodeFromBytes(ip, gopacket.NilDecodeFeedback); err == nil && other.Length != 0 && !bytes.Equal(other.Payload, d.payload) {
				t.Fatalf("payload %x, another decoder has %x", d.payload, other.Payload)
			}
		}
	})
}

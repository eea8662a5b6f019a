package pcap

import (
	"bytes"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/google/gopacket/pcapgo"

	"github.com/gopgm/gopgm/pgm/packet"
)

// transferCapture returns a capture of so many packets of a transfer, as tcpdump would write it.
func transferCapture(t testing.TB, n int, ng bool) []byte {
	var records []record
	for i := range n {
		ip := network(t, Packet{Src: source4, Dst: group4, TTL: 16, UDP: true, Data: odata(packet.SQN(i+1), 1448)})
		records = append(records, record{start.Add(time.Duration(i) * time.Microsecond), ethernet(ip, etherIPv4), 0})
	}
	if ng {
		return ngCapture(le, linkEthernet, records...)
	}
	return classicCapture(le, false, linkEthernet, records...)
}

// repeated is a capture of which all but the header comes again and again.
type repeated struct {
	head, body []byte
	left       int64
	at         int
}

func (r *repeated) Read(b []byte) (n int, err error) {
	if len(r.head) > 0 {
		n = copy(b, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	if r.left <= 0 {
		return 0, io.EOF
	}
	n = copy(b, r.body[r.at:])
	if r.at += n; r.at == len(r.body) {
		r.at = 0
		r.left -= int64(len(r.body))
	}
	return n, nil
}

func benchmarkReader(b *testing.B, ng bool) {
	capture := transferCapture(b, 1000, ng)
	b.SetBytes(int64(len(capture)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := Open(bytes.NewReader(capture))
		if err != nil {
			b.Fatal(err)
		}
		var p Packet
		n := 0
		for ; r.Read(&p) == nil; n++ {
		}
		if n != 1000 {
			b.Fatal(n)
		}
	}
}

func BenchmarkReaderPcap(b *testing.B)   { benchmarkReader(b, false) }
func BenchmarkReaderPcapng(b *testing.B) { benchmarkReader(b, true) }

// BenchmarkPcapgo is gopacket's reader, which yields frames and looks no further.
func BenchmarkPcapgo(b *testing.B) {
	capture := transferCapture(b, 1000, false)
	b.SetBytes(int64(len(capture)))
	for b.Loop() {
		r, err := pcapgo.NewReader(bytes.NewReader(capture))
		if err != nil {
			b.Fatal(err)
		}
		for {
			if _, _, err := r.ZeroCopyReadPacketData(); err != nil {
				break
			}
		}
	}
}

// BenchmarkReadGigabyte reads 1 GiB as a stream, so that what does not depend on the length does not count.
func BenchmarkReadGigabyte(b *testing.B) {
	capture := transferCapture(b, 1000, false)
	const size = 1 << 30
	b.SetBytes(size)
	for b.Loop() {
		r, err := Open(&repeated{head: capture[:24], body: capture[24:], left: size})
		if err != nil {
			b.Fatal(err)
		}
		var p Packet
		for err = r.Read(&p); err == nil; err = r.Read(&p) {
		}
		if err != io.EOF || r.Stats().Packets < size/1600 {
			b.Fatal(err, r.Stats())
		}
	}
}

func BenchmarkWriter(b *testing.B) {
	w, err := NewWriter(io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	p := Packet{Time: start, Src: source4, Dst: group4, TTL: 16, UDP: true, Data: odata(1, 1448)}
	b.SetBytes(int64(len(p.Data)))
	b.ReportAllocs()
	for b.Loop() {
		w.Write(p)
	}
}

func BenchmarkDecodingLayers(b *testing.B) {
	d := newDecoder()
	p := odata(1, 1448)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		d.parser.DecodeLayers(p, &d.decoded)
	}
}

// The reader's memory does not grow with the capture, and no packet costs an allocation.
func TestMemoryDoesNotDependOnTheCapture(t *testing.T) {
	for _, ng := range []bool{false, true} {
		capture := transferCapture(t, 100, ng)
		head := 24
		if ng {
			head = 28 + 32
		}
		r, err := Open(&repeated{head: capture[:head], body: capture[head:], left: 64 << 20})
		if err != nil {
			t.Fatal(err)
		}
		var p Packet
		for range 1000 {
			if err := r.Read(&p); err != nil {
				t.Fatal(err)
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n := 0
		for err = r.Read(&p); err == nil; err = r.Read(&p) {
			n++
		}
		runtime.ReadMemStats(&after)
		if err != io.EOF || n < 40_000 {
			t.Fatalf("%d packets, %v", n, err)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<10 {
			t.Errorf("pcapng %v: %d packets cost %d octets", ng, n, grown)
		}
	}
}

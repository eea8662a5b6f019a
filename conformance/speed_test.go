package conformance

import (
	"encoding/binary"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm/packet"
)

// transfer returns n packets of a session whose TSDUs are of size octets, with an SPM, a NAK, its NCF and its RDATA in each hundred.
// A packet is valid until the next.
func transfer(t testing.TB, n, size int) func(*pcap.Packet) error {
	t.Helper()
	h := packet.Downstream(packet.TypeODATA, storyTSI, udpPort)
	h.TSDULength = uint16(size)
	data := packet.Data{Trail: 1, TSDU: make([]byte, size)}
	asks, confirms, path := story("0 nak 1").draw(t)[0], story("0 ncf 1").draw(t)[0], story("0 spm 0 1..0").draw(t)[0]
	other := pcap.Packet{UDP: true, TTL: 16, Src: netip.AddrPortFrom(sourceAddr, udpPort), Dst: storyGroup}
	i := 0
	return func(p *pcap.Packet) error {
		if i == n {
			return io.EOF
		}
		missed := data.SQN - 5 - packet.SQN(i/100%7*11)
		*p = other
		switch i % 100 {
		case 96:
			*p = asks
			binary.BigEndian.PutUint32(p.Data[16:], uint32(missed))
			packet.Seal(p.Data)
		case 97:
			*p = confirms
			binary.BigEndian.PutUint32(p.Data[16:], uint32(missed))
			packet.Seal(p.Data)
		case 98:
			h.Type = packet.TypeRDATA
			repair := data
			repair.SQN = missed
			other.Data = repair.Append(h.Append(other.Data[:0]))
			packet.Seal(other.Data)
			*p = other
			h.Type = packet.TypeODATA
		case 99:
			*p = path
			binary.BigEndian.PutUint32(p.Data[16:], uint32(i/100))
			binary.BigEndian.PutUint32(p.Data[24:], uint32(data.SQN))
			packet.Seal(p.Data)
		default:
			data.SQN++
			other.Data = data.Append(h.Append(other.Data[:0]))
			packet.Seal(other.Data)
			*p = other
		}
		p.Time, p.Number, p.Length = storyBegin.Add(time.Duration(i)*10*time.Microsecond), i+1, len(p.Data)
		i++
		return nil
	}
}

// In the steady state no packet costs an allocation.
func TestCheckAllocatesNothing(t *testing.T) {
	const n = 400_000
	var v *Verdict
	allocs := testing.AllocsPerRun(1, func() {
		var err error
		if v, err = Check(transfer(t, n, 100)); err != nil {
			t.Fatal(err)
		}
	})
	if len(v.Tally) > 0 {
		t.Fatal(text(v))
	}
	if allocs > n/1000 {
		t.Errorf("%.0f allocations for %d packets", allocs, n)
	}
}

// How fast captures are judged, without reading them.
func BenchmarkCheck(b *testing.B) {
	for _, x := range []struct {
		name string
		size int
	}{{"1448", 1448}, {"100", 100}} {
		b.Run(x.name, func(b *testing.B) {
			b.SetBytes(int64(x.size + packet.DataHeaderLen))
			b.ReportAllocs()
			if v, err := Check(transfer(b, b.N, x.size)); err != nil || len(v.Tally) > 0 {
				b.Fatalf("%v\n%s", err, text(v))
			}
		})
	}
}

// And from a file of 256 MB.
func BenchmarkCheckFile(b *testing.B) {
	name := filepath.Join(b.TempDir(), "transfer.pcapng")
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w, err := pcap.NewWriter(f)
	if err != nil {
		b.Fatal(err)
	}
	next := transfer(b, 170_000, 1448)
	for p := (pcap.Packet{}); next(&p) == nil; {
		if err := w.Write(p); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			b.Fatal(err)
		}
		r, err := pcap.Open(f)
		if err != nil {
			b.Fatal(err)
		}
		if v, err := Check(r.Read); err != nil || len(v.Tally) > 0 || v.Packets != 170_000 {
			b.Fatalf("%v\n%s", err, text(v))
		}
	}
}

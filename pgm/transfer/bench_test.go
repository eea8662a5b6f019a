package transfer

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
	"github.com/gopgm/gopgm/pgm/source"
)

const (
	benchBlock = 1424 // of an MTU of 1500 octets
	benchRun   = 44   // packets of one system call
)

// memoryDir returns a directory in memory where there is one, so that a benchmark measures the program and not a disk.
func memoryDir(t testing.TB) string {
	if dir, err := os.MkdirTemp("/dev/shm", "gopgm-test-"); err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		return dir
	}
	return t.TempDir()
}

func benchFile(t testing.TB, size int64) string {
	path := filepath.Join(memoryDir(t), "file")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	buf := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(buf)) {
		for i := 0; i < len(buf); i += 64 {
			buf[i] = byte(at>>20) + byte(i>>6)
		}
		if _, err := f.Write(buf[:min(int64(len(buf)), size-at)]); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// benchStore returns a store for one file whose digest is taken as known.
func benchStore(t testing.TB, size int64) *store {
	s, err := scanPaths([]string{benchFile(t, size)}, func(Problem) {})
	if err != nil {
		t.Fatal(err)
	}
	p, err := arrange(s.objects, s.total, benchBlock, SessionID{1}, 0xffff_f000)
	if err != nil {
		t.Fatal(err)
	}
	st := newStore(p, s, func() {})
	st.known.Store(1)
	st.open()
	t.Cleanup(st.close)
	return st
}

// slab is the memory of a run of packets, and the TSDUs in it.
type slab struct {
	memory []byte
	tsdus  []source.TSDU
}

func newSlab(n int) *slab {
	return &slab{memory: make([]byte, n*(benchBlock+packet.DataHeaderLen)), tsdus: make([]source.TSDU, n)}
}

func (s *slab) reset() []source.TSDU {
	for i := range s.tsdus {
		at := i*(benchBlock+packet.DataHeaderLen) + packet.DataHeaderLen
		s.tsdus[i] = source.TSDU{Data: s.memory[at : at+benchBlock : at+benchBlock]}
	}
	return s.tsdus
}

func loadAll(t testing.TB, st *store, s *slab) (octets int) {
	for at := st.Trail(); at != st.Next(); {
		dst := s.reset()
		n, err := st.Load(at, dst)
		if n == 0 || err != nil {
			t.Fatal(n, err)
		}
		at += packet.SQN(n)
	}
	return int(st.total)
}

// BenchmarkStoreLoad reads a file into packets, a run by a system call.
func BenchmarkStoreLoad(b *testing.B) {
	const size = 64 << 20
	st := benchStore(b, size)
	s := newSlab(benchRun)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		loadAll(b, st, s)
	}
}

// benchLease is a batch whose memory is used again at once.
type benchLease struct{ holders atomic.Int32 }

func (l *benchLease) Retain()  { l.holders.Add(1) }
func (l *benchLease) Release() { l.holders.Add(-1) }

// placer delivers a file from memory to an inbox, over and over.
type placer struct {
	in    *inbox
	data  []receiver.Data
	lease *benchLease
}

func newPlacer(t testing.TB, size int64) *placer {
	st := benchStore(t, size)
	dest, err := openDestination(memoryDir(t))
	if err != nil {
		t.Fatal(err)
	}
	p := &placer{lease: new(benchLease)}
	loop := &fakeLoop{have: make(map[packet.SQN]bool)}
	p.in = newInbox(loop, loop.do, dest, nil)
	s := newSlab(1)
	for at := st.Trail(); at != st.Next()-2; at++ { // the last block does not come, so that the file is never done with
		dst := s.reset()
		if n, err := st.Load(at, dst); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		p.data = append(p.data, receiver.Data{SQN: at, TSDU: append([]byte(nil), dst[0].Data...), Fragment: dst[0].Fragment})
	}
	p.in.Data(p.data[0])
	p.data = p.data[1:]
	p.in.Flush(p.lease)
	t.Cleanup(func() {
		p.in.End(receiver.Closed, packet.Reset{})
		<-p.in.concluded
		dest.close()
	})
	return p
}

// deliver delivers the file once, in batches of so many packets, and waits until it is written.
func (p *placer) deliver(batch int) {
	for i := range p.data {
		p.in.Data(p.data[i])
		if i%batch == batch-1 {
			p.in.Flush(p.lease)
		}
	}
	p.in.Flush(p.lease)
	p.in.Flush(pgm.NoLease{})
	for p.lease.holders.Load() > 0 {
		time.Sleep(20 * time.Microsecond)
	}
}

// forget makes the blocks count as not written, between two rounds.
func (p *placer) forget() {
	part := p.in.segments[0].parts[0]
	for i := range part.held.n {
		part.held.big.Remove(packet.SQN(i))
	}
	part.told = 0
}

// BenchmarkPlace takes the packets of a file and writes them where they belong: the work of the loop and of the writer.
func BenchmarkPlace(b *testing.B) {
	const size = 64 << 20
	p := newPlacer(b, size)
	p.deliver(4 * benchRun)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		p.forget()
		b.StartTimer()
		p.deliver(4 * benchRun)
	}
}

// Neither end allocates for a packet. The count includes what the runtime and the goroutines beside allocate now and then.
func TestNoAllocationForAPacket(t *testing.T) {
	const size = 8 << 20
	packets := float64(size / benchBlock)
	st := benchStore(t, size)
	s := newSlab(benchRun)
	loadAll(t, st, s)
	if n := testing.AllocsPerRun(5, func() { loadAll(t, st, s) }); n > packets/100 {
		t.Errorf("loading %v packets: %v allocations", packets, n)
	}
	p := newPlacer(t, size)
	p.deliver(100)
	for len(p.in.writer.spare) < cap(p.in.writer.spare) { // as many jobs as there can be, however far the writer has lagged so far
		p.in.writer.spare <- &job{places: make([]placement, 0, jobPlaces)}
	}
	if n := testing.AllocsPerRun(5, func() { p.forget(); p.deliver(100) }); n > packets/100 {
		t.Errorf("placing %v packets: %v allocations", packets, n)
	}
}

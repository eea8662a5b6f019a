package console

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

// traced returns the n-th packet of a session, n from 1 on.
func traced(n uint32) pgm.Traced {
	h := packet.Downstream(packet.TypeODATA, packet.TSI{GSI: packet.GSI{1, 2, 3, 4, 5, 6}, Port: 1}, 7500)
	h.TSDULength = 1000
	b := packet.Data{SQN: packet.SQN(n), Trail: 1, TSDU: make([]byte, 1000)}.Append(h.Append(nil))
	packet.Seal(b)
	return pgm.Traced{
		Time: time.Unix(1_900_000_000, int64(n)*1000), Sent: true, UDP: true, TTL: 16, Data: b,
		From: netip.MustParseAddrPort("192.0.2.1:7500"), To: netip.MustParseAddrPort("239.192.77.71:7500"),
	}
}

// numbers returns the SQNs of the data in a capture.
func numbers(t *testing.T, b []byte) (all []uint32) {
	t.Helper()
	r, err := pcap.Open(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var p pcap.Packet
	for err = r.Read(&p); err == nil; err = r.Read(&p) {
		all = append(all, binary.BigEndian.Uint32(p.Data[16:]))
	}
	if err != io.EOF {
		t.Fatal(err)
	}
	return all
}

// What was traced is in the file, each packet with its time, addresses and ports, in order.
func TestCaptureHasWhatWasTraced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture")
	c, err := CreateCapture(path)
	if err != nil {
		t.Fatal(err)
	}
	const n = 20_000
	for i := uint32(1); i <= n; i++ {
		c.Trace(traced(i))
		if i == n/2 {
			for size, end := int64(0), time.Now().Add(30*time.Second); size < n/2*1000; { // what is there is written
				if time.Now().After(end) {
					t.Fatalf("%d octets in the file", size)
				}
				time.Sleep(captureIdle)
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				size = info.Size()
			}
		}
	}
	ask := spm.AppendRequest(nil, packet.TSI{GSI: packet.GSI{1, 2, 3, 4, 5, 6}, Port: 1}, 7500)
	c.Trace(pgm.Traced{
		Time: time.Unix(1_900_000_100, 0), Sent: true, Data: ask, Alert: true, TTL: 3,
		From: netip.MustParseAddrPort("[fe80::1%lo]:0"), To: netip.MustParseAddrPort("[ff02::7%lo]:0"),
	})
	written, dropped, err := c.Close()
	if err != nil || written+dropped != n+1 || written < n/2 {
		t.Fatalf("%d and %d packets, %v; want %d", written, dropped, err, n+1)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcap.Open(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var p pcap.Packet
	last := -1
	for k := range int(written) - 1 {
		if err := r.Read(&p); err != nil {
			t.Fatal(err)
		}
		i := binary.BigEndian.Uint32(p.Data[16:])
		want := traced(i)
		if int(i) <= last || !p.Time.Equal(want.Time) || p.Src != want.From || p.Dst != want.To || p.TTL != want.TTL || !p.UDP || !bytes.Equal(p.Data, want.Data) {
			t.Fatalf("packet %d is %+v, want %+v", k, p, want)
		}
		last = int(i)
	}
	if err := r.Read(&p); err != nil || p.UDP || !p.RouterAlert || p.Src.Addr() != netip.MustParseAddr("fe80::1") || !bytes.Equal(p.Data, ask) {
		t.Errorf("the last packet is %+v, %v", p, err)
	}
}

// What a socket does not tell of what it received is as the RFC demands it, so that nobody is blamed for it.
func TestCapturePresumesTheBest(t *testing.T) {
	d := new(disk)
	c, err := newCapture("capture", d, 2)
	if err != nil {
		t.Fatal(err)
	}
	group, source := netip.MustParseAddrPort("239.192.77.71:0"), netip.MustParseAddrPort("192.0.2.1:0")
	tsi := packet.TSI{GSI: packet.GSI{1, 2, 3, 4, 5, 6}, Port: 1}
	path := spm.Packet{SQN: 1, Trail: 1, Path: source.Addr()}.Append(packet.Downstream(packet.TypeSPM, tsi, 7500).Append(nil))
	packet.Seal(path)
	c.Trace(pgm.Traced{Time: time.Unix(1, 0), From: source, To: group, Data: path})
	c.Trace(pgm.Traced{Time: time.Unix(2, 0), From: source, To: group, Data: spm.AppendRequest(nil, tsi, 7500)})
	if _, _, err := c.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := pcap.Open(&d.Buffer)
	if err != nil {
		t.Fatal(err)
	}
	var p, q pcap.Packet
	if err := errors.Join(r.Read(&p), r.Read(&q)); err != nil || !p.RouterAlert || q.RouterAlert || q.TTL != 1 {
		t.Errorf("%+v, %+v, %v", p, q, err)
	}
}

// disk is a file that takes nothing until it is told to, and then fails if it is to.
type disk struct {
	bytes.Buffer
	sync.Mutex
	fails  error
	closed bool
}

func (d *disk) Write(p []byte) (int, error) {
	d.Lock()
	defer d.Unlock()
	if d.fails != nil && d.Len() > 0 {
		return 0, d.fails
	}
	return d.Buffer.Write(p)
}

func (d *disk) Close() error { d.closed = true; return nil }

// A disk that stands still does not hold up the session: what does not fit is left out, and counted.
func TestCaptureDoesNotWaitForTheDisk(t *testing.T) {
	d := new(disk)
	c, err := newCapture("capture", d, 2)
	if err != nil {
		t.Fatal(err)
	}
	d.Lock()
	const n = 20_000
	start := time.Now()
	for i := uint32(1); i <= n; i++ {
		c.Trace(traced(i))
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("tracing took %v", took)
	}
	d.Unlock()
	written, dropped, err := c.Close()
	if err != nil || written == 0 || dropped == 0 || written+dropped != n || !d.closed {
		t.Errorf("%d written, %d left out, %v; want %d together", written, dropped, err, n)
	}
	if got := numbers(t, d.Bytes()); len(got) != int(written) {
		t.Errorf("%d packets in the file, want %d", len(got), written)
	}
	c.Trace(traced(1)) // is too late, and harmless
}

// What is not full is written only behind what is: the order stays.
func TestCaptureKeepsTheOrder(t *testing.T) {
	c := &Capture{full: make(chan *chunk, 1), chunk: new(chunk)}
	c.full <- new(chunk)
	if c.take() != nil {
		t.Error("a chunk was taken while an older one waits")
	}
	<-c.full
	if c.take() == nil {
		t.Error("nothing was taken")
	}
}

// A disk that is full is an error that names the file, and what is in the file can be read.
func TestCaptureOnAFullDisk(t *testing.T) {
	d := new(disk)
	c, err := newCapture("capture", d, 4)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * captureIdle) // the header is there
	d.Lock()
	d.fails = errors.New("no space left on device")
	d.Unlock()
	for i := uint32(1); i <= 10_000; i++ {
		c.Trace(traced(i))
	}
	_, _, err = c.Close()
	if err == nil || err.Error() != "--capture: capture is not whole: no space left on device" {
		t.Errorf("%v", err)
	}
	numbers(t, d.Bytes())
}

// A program whose capture fails has failed; one that has failed otherwise says that.
func TestRecordTellsFailures(t *testing.T) {
	var errs, reports bytes.Buffer
	r := Recording{Program: "pgmtest", Path: filepath.Join(t.TempDir(), "no", "file"), Stderr: &errs, Reports: &reports}
	if status := Record(r, func(func(pgm.Traced)) int { t.Error("it ran"); return 0 }); status != ExitFailure || !bytes.Contains(errs.Bytes(), []byte("no such file")) {
		t.Errorf("exit %d: %s", status, &errs)
	}
	r.Path = filepath.Join(t.TempDir(), "file")
	reports.Reset()
	if status := Record(r, func(trace func(pgm.Traced)) int { trace(traced(1)); return ExitLost }); status != ExitLost {
		t.Errorf("exit %d", status)
	}
	if !bytes.Contains(reports.Bytes(), []byte(`"packets":1,"dropped":0`)) || !bytes.Contains(errs.Bytes(), []byte("1 packet captured")) {
		t.Errorf("%s%s", &errs, &reports)
	}
}

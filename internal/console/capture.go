package console

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/packet"
)

// CheckCapture reports what is wrong with the value of the flag --capture, which was given or not.
func CheckCapture(path string, given bool) error {
	switch {
	case given && path == "":
		return errors.New("--capture: an empty path names nothing")
	case path == "-":
		return errors.New("--capture: standard output has other uses: name a file")
	}
	return nil
}

// Capture writes what a session sends and receives to a file, as pcapng. Its frames are IP packets whose headers are made up from what the
// session knows, and presume tells the rest. The session never waits for the file: what a slow disk does not take in
// time is left out and counted.
type Capture struct {
	path string
	file io.WriteCloser
	full chan *chunk
	over chan struct{} // closed when everything is written
	err  error         // of writing; to be read when over

	mu      sync.Mutex
	spare   []*chunk
	chunk   *chunk // being filled; nil: there was none to spare
	closed  bool
	packets uint64
	dropped uint64
}

// chunk is some packets, and the memory that they lie in.
type chunk struct {
	packets []pcap.Packet
	arena   []byte
}

const (
	// chunkRoom is the memory of a chunk, in octets: more than any packet. All of them are what may wait for the disk.
	chunkRoom   = 1 << 20
	chunks      = 64
	chunkMeta   = 2 << 10 // packets in one
	captureIdle = 250 * time.Millisecond
)

// CreateCapture creates the file, or empties it.
func CreateCapture(path string) (*Capture, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("--capture: %w", err)
	}
	return newCapture(path, f, chunks)
}

func newCapture(path string, f io.WriteCloser, n int) (*Capture, error) {
	w, err := pcap.NewWriter(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("--capture: %w", err)
	}
	c := &Capture{path: path, file: f, full: make(chan *chunk, n), over: make(chan struct{})}
	for range n {
		c.spare = append(c.spare, new(chunk))
	}
	go c.write(w)
	return c, nil
}

// Trace is for pgm.Config.Trace. It does not wait.
func (c *Capture) Trace(t pgm.Traced) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if c.chunk != nil && !c.chunk.room(len(t.Data)) {
		c.full <- c.chunk // there is room for all
		c.chunk = nil
	}
	if c.chunk == nil {
		last := len(c.spare) - 1
		if last < 0 {
			c.dropped++
			return
		}
		c.chunk, c.spare = c.spare[last], c.spare[:last]
	}
	c.packets++
	c.chunk.add(&t)
}

func (k *chunk) room(n int) bool {
	return k.arena == nil || len(k.packets) < chunkMeta && len(k.arena)+n <= cap(k.arena)
}

func (k *chunk) add(t *pgm.Traced) {
	if k.arena == nil {
		k.arena, k.packets = make([]byte, 0, chunkRoom), make([]pcap.Packet, 0, chunkMeta)
	}
	at := len(k.arena)
	k.arena = append(k.arena, t.Data...)
	p := pcap.Packet{
		Time: t.Time, Src: bare(t.From), Dst: bare(t.To), TTL: t.TTL, RouterAlert: t.Alert, UDP: t.UDP, Data: k.arena[at:],
	}
	if !t.Sent && p.Dst.Addr().IsMulticast() && len(t.Data) >= packet.HeaderLen {
		presume(&p)
	}
	k.packets = append(k.packets, p)
}

// presume fills in what a socket does not tell of a multicast packet that it received, as RFC 3208 demands it: so it is not held against who
// sent it.
func presume(p *pcap.Packet) {
	t := packet.Type(p.Data[4] & 0x0f)
	if t.IsUpstream() {
		p.TTL = 1 // what receivers say to each other stays on their link [6.3-24], [13.5-02]
	}
	p.RouterAlert = !p.UDP && t.RouterAlert()
}

// bare returns an address as an IP header has it.
func bare(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// write writes chunks as they become full, and now and then what there is.
func (c *Capture) write(w *pcap.Writer) {
	defer close(c.over)
	tick := time.NewTicker(captureIdle)
	defer tick.Stop()
	for {
		select {
		case k, ok := <-c.full:
			if !ok {
				c.note(w.Flush())
				c.note(c.file.Close())
				return
			}
			c.put(w, k)
		case <-tick.C:
			if k := c.take(); k != nil {
				c.put(w, k)
			}
			c.note(w.Flush())
		}
	}
}

// take takes the chunk that is being filled, unless others are to be written before.
func (c *Capture) take() (k *chunk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.full) == 0 {
		k, c.chunk = c.chunk, nil
	}
	return k
}

func (c *Capture) put(w *pcap.Writer, k *chunk) {
	for i := range k.packets {
		c.note(w.Write(k.packets[i]))
	}
	k.packets, k.arena = k.packets[:0], k.arena[:0]
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spare = append(c.spare, k)
}

// note keeps the first error.
func (c *Capture) note(err error) {
	if c.err == nil {
		c.err = err
	}
}

// Close writes what is left and closes the file. It returns how many packets were written, how many were left out because the disk was too
// slow, and what is wrong with the file, if anything.
func (c *Capture) Close() (written, dropped uint64, err error) {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		if c.chunk != nil {
			c.full <- c.chunk
			c.chunk = nil
		}
		close(c.full)
	}
	written, dropped = c.packets, c.dropped
	c.mu.Unlock()
	<-c.over
	if c.err != nil {
		err = fmt.Errorf("--capture: %s is not whole: %w", Visible(c.path), c.err)
	}
	return written, dropped, err
}

package pcap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"time"
)

// Writer writes PGM packets as a pcapng file with one interface, whose frames are bare IP packets (LINKTYPE_RAW) and whose times
// are in nanoseconds. Network headers are made up from what a Packet says, with checksums that are right. It is not safe for
// concurrent use, and allocates nothing in the steady state.
type Writer struct {
	w   *bufio.Writer
	buf []byte // one block but for its frame's PGM
	err error
}

// writerSize is the buffer of a Writer: octets that Flush has to push out.
const writerSize = 128 << 10

// NewWriter writes the headers of a capture to w.
func NewWriter(w io.Writer) (*Writer, error) {
	le := binary.LittleEndian
	var b []byte
	// Section Header Block: byte order, version 1.0, a section of unknown length, and what wrote it.
	const program = "gopgm"
	b = le.AppendUint32(b, blockSection)
	b = le.AppendUint32(b, 28+4+8+4)
	b = le.AppendUint32(b, byteOrderMagic)
	b = append(b, 1, 0, 0, 0)
	b = append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	b = append(b, 4, 0, byte(len(program)), 0) // shb_userappl
	b = append(b, program+"\x00\x00\x00"...)
	b = append(b, 0, 0, 0, 0)
	b = le.AppendUint32(b, 28+4+8+4)
	// Interface Description Block: raw IP, frames of any length, 10^-9 s.
	b = le.AppendUint32(b, blockInterface)
	b = le.AppendUint32(b, 20+8+4)
	b = append(b, byte(linkRaw), 0, 0, 0)
	b = le.AppendUint32(b, maxFrame)
	b = append(b, optionTSResol, 0, 1, 0, 9, 0, 0, 0)
	b = append(b, 0, 0, 0, 0)
	b = le.AppendUint32(b, 20+8+4)
	c := &Writer{w: bufio.NewWriterSize(w, writerSize), buf: make([]byte, 0, 256)}
	_, c.err = c.w.Write(b)
	return c, c.err
}

// Flush writes what is buffered.
func (w *Writer) Flush() error {
	if w.err == nil {
		w.err = w.w.Flush()
	}
	return w.err
}

// What Write finds wrong with a Packet. The capture is as if it had not been given.
var (
	ErrAddress = errors.New("pcap: source and destination are not addresses of one family")
	ErrTooLong = errors.New("pcap: longer than an IP packet can be")
)

// Write appends p: Time, Src, Dst, TTL (0, which says that it is not known, is written as 64), RouterAlert, UDP and Data count,
// and Length if it exceeds len(Data), for a packet that was cut. An invalid Src is written as the unspecified address. What was
// fragmented or coalesced is written as the packet that it was. An error of the io.Writer is returned from then on.
func (w *Writer) Write(p Packet) error {
	if w.err != nil {
		return w.err
	}
	le := binary.LittleEndian
	length := max(p.Length, len(p.Data))
	b := append(w.buf[:0], make([]byte, 28)...)
	b, err := appendNetwork(b, &p, length)
	if err != nil {
		return err
	}
	header := len(b) - 28
	here, wire := header+len(p.Data), header+length
	pad := -here & 3
	total := uint32(28 + here + pad + 4)
	stamp := uint64(0)
	if !p.Time.IsZero() {
		stamp = uint64(p.Time.Unix())*uint64(time.Second) + uint64(p.Time.Nanosecond())
	}
	le.PutUint32(b, blockEnhanced)
	le.PutUint32(b[4:], total)
	le.PutUint32(b[12:], uint32(stamp>>32))
	le.PutUint32(b[16:], uint32(stamp))
	le.PutUint32(b[20:], uint32(here))
	le.PutUint32(b[24:], uint32(wire))
	w.w.Write(b)
	w.w.Write(p.Data)
	b = le.AppendUint32(append(b[:0], 0, 0, 0)[:pad], total)
	_, w.err = w.w.Write(b) // a bufio.Writer keeps its first error
	return w.err
}

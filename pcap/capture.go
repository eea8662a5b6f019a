package pcap

import (
	"encoding/binary"
	"io"
	"strconv"
	"time"
)

// frame is one record of a capture.
type frame struct {
	time   time.Time // zero if the capture does not say
	link   linkType
	data   []byte // valid until the next frame
	length int    // on the wire; more than len(data) if the frame was cut
}

// frames is a capture file of either format. next returns io.EOF behind the last frame, and else a *FormatError.
type frames interface {
	next(f *frame) error
}

// The first four octets of a capture, read in the order of the machine that wrote it.
const (
	magicMicroseconds = 0xa1b2c3d4
	magicNanoseconds  = 0xa1b23c4d
	blockSection      = 0x0a0d0d0a // the same in either order
)

// openFrames tells the formats apart.
func openFrames(r io.Reader) (frames, error) {
	in := newInput(r)
	magic, err := in.peek(4)
	if err == io.EOF {
		return nil, &FormatError{0, "the capture is empty", io.ErrUnexpectedEOF}
	} else if err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(magic) == blockSection {
		return &ngFile{in: in}, nil
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(magic) {
		case magicMicroseconds:
			return openClassic(in, order, 1000)
		case magicNanoseconds:
			return openClassic(in, order, 1)
		}
	}
	return nil, in.wrong("neither a pcap nor a pcapng file: it begins with " + hexWord(binary.BigEndian.Uint32(magic)))
}

func hexWord(v uint32) string { return "0x" + strconv.FormatUint(uint64(v), 16) }

// classicFile is a pcap file:
//
//	|                             Magic                             |
//	|         Major Version         |         Minor Version         |
//	|                           Reserved                            |
//	|                           Reserved                            |
//	|                            SnapLen                            |
//	| FCS |f|0 0 0 0 0 0 0 0 0 0 0 0|           LinkType            |
//
// and then records, each of seconds, fraction, octets here and octets on the wire.
type classicFile struct {
	in    *input
	order binary.ByteOrder
	unit  int64 // nanoseconds in a unit of the fraction
	link  linkType
	used  int64 // octets of the last record, which the caller may still look at
}

const (
	classicHeaderLen = 24
	recordHeaderLen  = 16
)

func openClassic(in *input, order binary.ByteOrder, unit int64) (frames, error) {
	h, err := in.peek(classicHeaderLen)
	if err != nil {
		return nil, in.within(err)
	}
	if major := order.Uint16(h[4:]); major != 2 {
		return nil, in.wrong("pcap of unknown version " + strconv.Itoa(int(major)))
	}
	c := &classicFile{in: in, order: order, unit: unit, link: linkType(order.Uint32(h[20:]) & 0xffff), used: classicHeaderLen}
	if !c.link.known() {
		return nil, &FormatError{20, "frames of " + c.link.String() + ", which this package does not read", nil}
	}
	return c, nil
}

func (c *classicFile) next(f *frame) error {
	if err := c.in.skip(c.used); err != nil {
		return err
	}
	c.used = 0
	h, err := c.in.peek(recordHeaderLen)
	if err != nil {
		return err
	}
	sec, fraction := c.order.Uint32(h), c.order.Uint32(h[4:])
	here, wire := c.order.Uint32(h[8:]), c.order.Uint32(h[12:])
	if here > maxFrame {
		return c.in.wrong("a record of " + strconv.FormatUint(uint64(here), 10) + " octets, longer than any frame")
	}
	b, err := c.in.peek(recordHeaderLen + int(here))
	if err != nil {
		return c.in.within(err)
	}
	c.used = int64(len(b))
	*f = frame{
		time:   time.Unix(int64(sec), int64(fraction)*c.unit),
		link:   c.link,
		data:   b[recordHeaderLen:],
		length: wireLength(wire, here),
	}
	return nil
}

// wireLength returns the length of a frame on the wire, which is not less than what there is of it, whatever the record says, and
// not more than an IP packet with its payload length in 32 bits would need.
func wireLength(wire, here uint32) int { return int(min(max(wire, here), 1<<31-1)) }

package pcap

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"time"
)

// The blocks of pcapng that hold frames or say how to read them. All others are passed over.
const (
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockEnhanced  = 6

	byteOrderMagic = 0x1a2b3c4d

	optionTSResol  = 9
	optionTSOffset = 14
)

const (
	// maxBlock is the longest block that is looked into: a frame and its options.
	maxBlock = maxFrame + 64<<10
	// maxInterfaces bounds what a section makes the reader remember.
	maxInterfaces = 1 << 12
)

// ngFile is a pcapng file: sections, each with its byte order and its interfaces.
type ngFile struct {
	in         *input
	order      binary.ByteOrder
	interfaces []ngInterface
	used       int64 // octets of the last block, which the caller may still look at
}

// ngInterface is what an Interface Description Block says.
type ngInterface struct {
	link   linkType
	snap   uint32 // 0: no limit
	units  uint64 // of a timestamp, in a second
	offset int64  // seconds, added to timestamps
}

// next reads blocks up to one with a frame:
//
//	|                          Block Type                           |
//	|                      Block Total Length                       |
//	|                        Block Body ...                         |
//	|                      Block Total Length                       |
func (n *ngFile) next(f *frame) error {
	for {
		if err := n.in.skip(n.used); err != nil {
			return err
		}
		n.used = 0
		h, err := n.in.peek(12)
		if err != nil {
			return err
		}
		if binary.LittleEndian.Uint32(h) == blockSection {
			if err := n.begin(h[8:]); err != nil {
				return err
			}
		}
		kind, total := n.order.Uint32(h), n.order.Uint32(h[4:])
		if total < 12 || total%4 != 0 {
			return n.in.wrong("a block of " + strconv.FormatUint(uint64(total), 10) + " octets")
		}
		switch kind {
		case blockSection, blockInterface, blockPacket, blockSimple, blockEnhanced:
		default:
			if err := n.pass(total); err != nil {
				return err
			}
			continue
		}
		if total > maxBlock {
			return n.in.wrong("a block of " + strconv.FormatUint(uint64(total), 10) + " octets, longer than any frame")
		}
		b, err := n.in.peek(int(total))
		if err != nil {
			return n.in.within(err)
		}
		n.used = int64(total)
		if n.order.Uint32(b[total-4:]) != total {
			return n.in.wrong("a block whose two lengths disagree")
		}
		found, err := n.block(kind, b[8:total-4], f)
		if err != nil || found {
			return err
		}
	}
}

// begin starts a section, whose byte order its header tells.
func (n *ngFile) begin(magic []byte) error {
	switch {
	case binary.LittleEndian.Uint32(magic) == byteOrderMagic:
		n.order = binary.LittleEndian
	case binary.BigEndian.Uint32(magic) == byteOrderMagic:
		n.order = binary.BigEndian
	default:
		return n.in.wrong("a section without a byte order")
	}
	n.interfaces = n.interfaces[:0]
	return nil
}

// pass skips a block that is of no interest, of whatever length.
func (n *ngFile) pass(total uint32) error {
	at := n.in.off
	if err := n.in.skip(int64(total) - 4); err != nil {
		return err
	}
	end, err := n.in.peek(4)
	if err != nil {
		return n.in.within(err)
	}
	if n.order.Uint32(end) != total {
		return &FormatError{Offset: at, Reason: "a block whose two lengths disagree"}
	}
	n.used = 4
	return nil
}

// block takes one block, without what frames it, and reports whether it holds a frame.
func (n *ngFile) block(kind uint32, b []byte, f *frame) (bool, error) {
	if len(b) < leastBody(kind) {
		return false, n.in.wrong("a block that is too short for its type")
	}
	switch kind {
	case blockSection:
		if major := n.order.Uint16(b[4:]); major != 1 {
			return false, n.in.wrong("pcapng of unknown version " + strconv.Itoa(int(major)))
		}
		return false, nil
	case blockInterface:
		return false, n.describe(b)
	case blockPacket:
		return true, n.frame(f, uint32(n.order.Uint16(b)), b[4:])
	case blockEnhanced:
		return true, n.frame(f, n.order.Uint32(b), b[4:])
	}
	wire := n.order.Uint32(b)
	here := min(wire, uint32(len(b)-4))
	if len(n.interfaces) > 0 && n.interfaces[0].snap != 0 {
		here = min(here, n.interfaces[0].snap)
	}
	if len(n.interfaces) == 0 {
		return false, n.in.wrong("a frame of interface 0, which is not described")
	}
	// Without a timestamp, and without its own length if it was cut.
	*f = frame{link: n.interfaces[0].link, data: b[4:][:here], length: wireLength(wire, here)}
	return true, nil
}

// leastBody returns the length of the fixed part of a block's body.
func leastBody(kind uint32) int {
	switch kind {
	case blockSection:
		return 16
	case blockInterface:
		return 8
	case blockSimple:
		return 4
	}
	return 20
}

// frame fills f from the fields that two types of block have in common:
//
//	|                       Timestamp (High)                        |
//	|                        Timestamp (Low)                        |
//	|                    Captured Packet Length                     |
//	|                    Original Packet Length                     |
//	|                        Packet Data ...                        |
func (n *ngFile) frame(f *frame, iface uint32, b []byte) error {
	if iface >= uint32(len(n.interfaces)) {
		return n.in.wrong("a frame of interface " + strconv.FormatUint(uint64(iface), 10) + ", which is not described")
	}
	stamp := uint64(n.order.Uint32(b))<<32 | uint64(n.order.Uint32(b[4:]))
	here, wire := n.order.Uint32(b[8:]), n.order.Uint32(b[12:])
	b = b[16:]
	if uint64(here) > uint64(len(b)) || here > maxFrame {
		return n.in.wrong("a frame of " + strconv.FormatUint(uint64(here), 10) + " octets in a shorter block")
	}
	i := &n.interfaces[iface]
	*f = frame{time: i.time(stamp), link: i.link, data: b[:here], length: wireLength(wire, here)}
	return nil
}

// describe takes an Interface Description Block.
func (n *ngFile) describe(b []byte) error {
	if len(n.interfaces) == maxInterfaces {
		return n.in.wrong("a section with more than " + strconv.Itoa(maxInterfaces) + " interfaces")
	}
	i := ngInterface{link: linkType(n.order.Uint16(b)), snap: n.order.Uint32(b[4:]), units: 1_000_000}
	for b = b[8:]; len(b) >= 4; {
		code, length := n.order.Uint16(b), int(n.order.Uint16(b[2:]))
		padded := (length + 3) &^ 3
		if code == 0 {
			break
		}
		if padded > len(b)-4 {
			return n.in.wrong("an option that is longer than its block")
		}
		value := b[4 : 4+length]
		switch {
		case code == optionTSResol && length == 1:
			if i.units = resolution(value[0]); i.units == 0 {
				return n.in.wrong("a resolution of timestamps beyond 64 bits")
			}
		case code == optionTSOffset && length == 8:
			i.offset = int64(n.order.Uint64(value))
		}
		b = b[4+padded:]
	}
	n.interfaces = append(n.interfaces, i)
	return nil
}

// resolution returns how many units if_tsresol divides a second into; 0 if they are too many.
func resolution(v byte) uint64 {
	if v&0x80 != 0 {
		return 1 << (v & 0x7f) // 0 from 64 on
	}
	units := uint64(1)
	for range v {
		high, low := bits.Mul64(units, 10)
		if high != 0 {
			return 0
		}
		units = low
	}
	return units
}

// time converts a timestamp of the interface.
func (i *ngInterface) time(stamp uint64) time.Time {
	sec, rest := stamp/i.units, stamp%i.units
	high, low := bits.Mul64(rest, 1_000_000_000)
	nano, _ := bits.Div64(high, low, i.units) // rest < units: the quotient is below 10^9
	return time.Unix(int64(sec)+i.offset, int64(nano))
}

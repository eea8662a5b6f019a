package transfer

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/gopgm/gopgm/pgm/packet"
)

// SessionID tells the sessions of one sender apart, and with it whether what a receiver has kept belongs to this one: it is
// drawn at random when the session is laid out.
type SessionID [16]byte

// Manifest is one record: objects, and where to find the packets of these and the next record. A session has as many as its
// objects need, each sent ahead of the objects of the record before it, so that a lost one is repaired before it is needed:
//
//	record 0 | record 1 | objects of 0 | record 2 | objects of 1 | … | objects of the last
//
// On the wire, in network byte order; the packets of a record, and they alone, bear OPT_FRAGMENT:
//
//	 0                   1                   2                   3
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|      'G'      |      'P'      |      'G'      |      'M'      |
//	|  Version = 1  |    flags  O L |         Block Length          |
//	|                          Session ID                       ... |
//	|                         Record Number                         |
//	|                First Sequence Number, of this record          |
//	|            First Sequence Number, of its first object         |
//	|     Next Sequence Number: of the next record, or of none      |
//	|                   Length of the record, in octets             |
//	|                   Objects in the session                      |
//	|                   Octets of content in the session        ... |
//	|                   Objects in the record                       |
//
// then for each object: flags (1: a directory), permission bits (2 octets), time of modification (8), size and length of the
// name as uvarints, and the name. O (2) says that the source hears nobody. L (1) marks the last record; Next is then the number after the session's last packet. The
// numbers of objects are not sent: they follow from the sizes, so they cannot overlap.
type Manifest struct {
	Session SessionID
	Index   uint32     // of the record, from 0
	First   packet.SQN // of the record's first packet
	Data    packet.SQN // of the first packet of the first object
	Next    packet.SQN // of the next record's first packet; after the last packet of the session, if this is the last record
	Last    bool
	OneWay  bool   // the source hears nobody: receivers send nothing
	Block   int    // octets of content in each packet but an object's last
	Count   uint32 // objects in all records of the session
	Total   uint64 // octets of content in all of them
	Objects []Object
}

// Bounds of what a record may say. A block is a TSDU: MaxBlock is what fits into a UDP datagram over IPv4.
const (
	MinBlock         = 128
	MaxBlock         = packet.MaxRun - packet.DataHeaderLen
	MaxRecord        = 256 << 10 // octets of one record
	MaxRecordObjects = 4096      // that a sender puts into one record
	MaxObjects       = 1 << 20   // of one session
)

const (
	recordMagic   = "GPGM"
	recordVersion = 1
	recordHeader  = 60
	minEntry      = 1 + 2 + 8 + 1 + 1 // octets of an object without a name

	flagLast   = 1
	flagOneWay = 2
	flagDir    = 1
)

// recordRoom returns how many octets of a record go into one packet: fewer than a block, so that its options fit besides.
func recordRoom(block int) int { return block - 32 }

// packets returns how many packets the record has.
func (m *Manifest) packets() int { return recordPackets(m.length(), m.Block) }

func recordPackets(length, block int) int {
	return (length + recordRoom(block) - 1) / recordRoom(block)
}

// length returns how many octets Append appends.
func (m *Manifest) length() int {
	n := recordHeader
	for i := range m.Objects {
		n += m.Objects[i].entryLen()
	}
	return n
}

func (o *Object) entryLen() int {
	return minEntry - 2 + uvarintLen(uint64(o.Size)) + uvarintLen(uint64(len(o.Name))) + len(o.Name)
}

func uvarintLen(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

// Append appends the record.
func (m *Manifest) Append(b []byte) []byte {
	var flags byte
	if m.Last {
		flags |= flagLast
	}
	if m.OneWay {
		flags |= flagOneWay
	}
	b = append(b, recordMagic...)
	b = append(b, recordVersion, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(m.Block))
	b = append(b, m.Session[:]...)
	b = binary.BigEndian.AppendUint32(b, m.Index)
	b = binary.BigEndian.AppendUint32(b, uint32(m.First))
	b = binary.BigEndian.AppendUint32(b, uint32(m.Data))
	b = binary.BigEndian.AppendUint32(b, uint32(m.Next))
	b = binary.BigEndian.AppendUint32(b, uint32(m.length()))
	b = binary.BigEndian.AppendUint32(b, m.Count)
	b = binary.BigEndian.AppendUint64(b, m.Total)
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Objects)))
	for i := range m.Objects {
		o := &m.Objects[i]
		flags = 0
		if o.Dir {
			flags |= flagDir
		}
		b = append(b, flags)
		b = binary.BigEndian.AppendUint16(b, o.Mode)
		b = binary.BigEndian.AppendUint64(b, uint64(o.ModTime))
		b = binary.AppendUvarint(b, uint64(o.Size))
		b = binary.AppendUvarint(b, uint64(len(o.Name)))
		b = append(b, o.Name...)
	}
	return b
}

// isRecord reports whether b, the beginning of a stream or an APDU, is that of a record, of whatever version.
func isRecord(b []byte) bool {
	return len(b) >= len(recordMagic) && string(b[:len(recordMagic)]) == recordMagic
}

// recordLength returns what the header b of a record says of its length.
func recordLength(b []byte) (int, error) {
	if n := binary.BigEndian.Uint32(b[40:]); n >= recordHeader && n <= MaxRecord {
		return int(n), nil
	}
	return 0, manifestError("impossible length of a record")
}

// Parse reads the record b, all of it. It allocates no more than a small multiple of len(b), whatever b says, and leaves the
// names as they are: CheckName is for each to pass by itself.
func (m *Manifest) Parse(b []byte) error {
	switch {
	case !isRecord(b):
		return manifestError("no record")
	case len(b) < recordHeader:
		return manifestError("a record is truncated")
	case b[4] != recordVersion:
		return fmt.Errorf("%w: version %d, of another release of this program", ErrManifest, b[4])
	case len(b) > MaxRecord, binary.BigEndian.Uint32(b[40:]) != uint32(len(b)):
		return manifestError("impossible length of a record")
	}
	*m = Manifest{
		Session: SessionID(b[8:24]),
		Index:   binary.BigEndian.Uint32(b[24:]),
		First:   packet.SQN(binary.BigEndian.Uint32(b[28:])),
		Data:    packet.SQN(binary.BigEndian.Uint32(b[32:])),
		Next:    packet.SQN(binary.BigEndian.Uint32(b[36:])),
		Last:    b[5]&flagLast != 0,
		OneWay:  b[5]&flagOneWay != 0,
		Block:   int(binary.BigEndian.Uint16(b[6:])),
		Count:   binary.BigEndian.Uint32(b[44:]),
		Total:   binary.BigEndian.Uint64(b[48:]),
	}
	count := int64(binary.BigEndian.Uint32(b[56:]))
	entries := b[recordHeader:]
	switch {
	case m.Block < MinBlock || m.Block > MaxBlock:
		return fmt.Errorf("%w: blocks of %d octets", ErrManifest, m.Block)
	case m.Total > math.MaxInt64:
		return manifestError("impossible size of the session")
	case m.Count > MaxObjects, count > int64(m.Count), count*minEntry > int64(len(entries)):
		return manifestError("impossible number of objects")
	}
	m.Objects = make([]Object, count)
	text := string(entries) // the names share one allocation
	at := 0
	for i := range m.Objects {
		o := &m.Objects[i]
		if len(entries)-at < minEntry {
			return manifestError("a record is truncated")
		}
		o.Dir = entries[at]&flagDir != 0
		o.Mode = binary.BigEndian.Uint16(entries[at+1:]) & 0o777
		o.ModTime = int64(binary.BigEndian.Uint64(entries[at+3:]))
		at += 11
		size, n := binary.Uvarint(entries[at:])
		if n <= 0 || size > math.MaxInt64-MaxBlock || o.Dir && size != 0 {
			return manifestError("impossible size of an object")
		}
		o.Size = int64(size)
		at += n
		length, n := binary.Uvarint(entries[at:])
		if n <= 0 || length > uint64(len(entries)-at-n) {
			return manifestError("a name is truncated")
		}
		at += n
		o.Name = text[at : at+int(length)]
		at += int(length)
	}
	if at != len(entries) {
		return manifestError("a record has octets left over")
	}
	_, err := m.place()
	return err
}

func manifestError(what string) error { return fmt.Errorf("%w: %s", ErrManifest, what) }

// digestLen is the length of a digest packet's TSDU:
//
//	'G' 'P' 'G' 'D'   Version = 1   three octets reserved   Object Number (4)   Size (8)   BLAKE3-256 (32)
const digestLen = 52

const digestMagic = "GPGD\x01\x00\x00\x00"

// appendDigest appends the digest of object number index.
func appendDigest(b []byte, index uint32, size int64, digest *[32]byte) []byte {
	b = append(b, digestMagic...)
	b = binary.BigEndian.AppendUint32(b, index)
	b = binary.BigEndian.AppendUint64(b, uint64(size))
	return append(b, digest[:]...)
}

// parseDigest reads what appendDigest wrote for this object.
func parseDigest(b []byte, index uint32, size int64) (digest [32]byte, err error) {
	if len(b) != digestLen || string(b[:5]) != digestMagic[:5] || binary.BigEndian.Uint32(b[8:]) != index ||
		binary.BigEndian.Uint64(b[12:]) != uint64(size) {
		return digest, manifestError("a digest is not where it belongs")
	}
	return [32]byte(b[20:]), nil
}

package member

import (
	"encoding/binary"
	"errors"
)

// What a packet is refused with. The state of the member is as before.
var (
	ErrMalformed = errors.New("member: malformed packet")
	ErrForeign   = errors.New("member: of another group")
	ErrForged    = errors.New("member: sender and transport disagree")
	ErrStale     = errors.New("member: of another view")
	ErrLie       = errors.New("member: it says that it has what was never sent")
)

// kind is what a packet is.
type kind uint8

const (
	kindAlive    kind = iota + 1 // I am here: my view, what I have, whom I suspect
	kindData                     // messages
	kindPrepare                  // phase one: stop, and say what you have
	kindAck                      // the answer
	kindAccept                   // phase two: the view to come; recover what you lack
	kindAccepted                 // the answer
	kindInstall                  // the view is decided
	kindNeed                     // send me again what another sent
	kindResend                   // here it is
	kindOut                      // the group went on without you
	kindState                    // a piece of state
	kindStateAck                 // as far as it was taken
)

// version is that of the format.
const version = 1

// header begins each packet: 48 octets.
//
//	0  'V' 'S', version, kind        16 sender           32 view counter
//	4  settings, 3 octets reserved   24 group founding   40 view coordinator
//	8  name of the group
type header struct {
	kind     kind
	settings byte
	name     uint64
	sender   ID
	group    uint64
	view     ViewID
}

const headerLen = 48

func (h *header) append(b []byte) []byte {
	b = append(b, 'V', 'S', version, byte(h.kind), h.settings, 0, 0, 0)
	b = binary.BigEndian.AppendUint64(b, h.name)
	b = binary.BigEndian.AppendUint64(b, uint64(h.sender))
	b = binary.BigEndian.AppendUint64(b, h.group)
	b = binary.BigEndian.AppendUint64(b, h.view.Counter)
	return binary.BigEndian.AppendUint64(b, uint64(h.view.Coordinator))
}

func (h *header) parse(p []byte) ([]byte, error) {
	if len(p) < headerLen || p[0] != 'V' || p[1] != 'S' || p[2] != version {
		return nil, ErrMalformed
	}
	h.kind, h.settings = kind(p[3]), p[4]
	h.name = binary.BigEndian.Uint64(p[8:])
	h.sender = ID(binary.BigEndian.Uint64(p[16:]))
	h.group = binary.BigEndian.Uint64(p[24:])
	h.view = ViewID{binary.BigEndian.Uint64(p[32:]), ID(binary.BigEndian.Uint64(p[40:]))}
	if h.sender == 0 {
		return nil, ErrMalformed
	}
	return p[headerLen:], nil
}

// Sender returns who sent a packet, as the packet says, and of which group it is; ok is false if it is none.
func Sender(p []byte) (sender ID, group uint64, ok bool) {
	var h header
	_, err := h.parse(p)
	return h.sender, h.name, err == nil
}

// GroupOf returns what packets of the group of the given name bear.
func GroupOf(name string) uint64 { return (&Config{Group: name}).name() }

// reader takes a packet apart. The first thing that is not there makes it bad, and everything behind it zero.
type reader struct {
	p   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.p) {
		r.bad = true
		return nil
	}
	b := r.p[:n]
	r.p = r.p[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() int {
	if b := r.take(2); b != nil {
		return int(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) id() ID { return ID(r.uint64()) }

// count reads how many entries of at least so many octets follow.
func (r *reader) count(size, limit int) int {
	n := r.uint16()
	if n > limit || n*size > len(r.p) {
		r.bad = true
		return 0
	}
	return n
}

func (r *reader) ids() (ids []ID) {
	for range r.count(8, MaxMembers) {
		ids = append(ids, r.id())
	}
	return ids
}

func (r *reader) string() string { return string(r.take(min(int(r.byte()), MaxName))) }

// vector reads as many counts as there are members.
func (r *reader) vector(n int) []byte { return r.take(4 * n) }

// bits reads a set of n.
func (r *reader) bits(n int) (set []bool) {
	b := r.take((n + 7) / 8)
	if b == nil {
		return nil
	}
	set = make([]bool, n)
	for i := range set {
		set[i] = b[i/8]>>(i%8)&1 == 1
	}
	return set
}

// end returns the error of what was read.
func (r *reader) end() error {
	if r.bad {
		return ErrMalformed
	}
	return nil
}

func appendIDs(b []byte, ids []ID) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(ids)))
	for _, id := range ids {
		b = binary.BigEndian.AppendUint64(b, uint64(id))
	}
	return b
}

func appendString(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }

func appendBits(b []byte, set []bool) []byte {
	for i := 0; i < len(set); i += 8 {
		var o byte
		for k := range min(8, len(set)-i) {
			if set[i+k] {
				o |= 1 << k
			}
		}
		b = append(b, o)
	}
	return b
}

package packet

import (
	"errors"
	"strconv"
)

// What can be wrong with a packet. Every decoder of PGM returns one of these, wrapped in an *Error.
var (
	ErrTruncated = errors.New("truncated")                          // shorter than its fields or options say
	ErrLength    = errors.New("length disagrees with the contents") // longer, or a length that cannot be
	ErrVersion   = errors.New("unknown version")                    // the top bits of the Type octet [8-04]
	ErrType      = errors.New("unknown type")                       // a type without a meaning, or not the one asked for
	ErrChecksum  = errors.New("wrong checksum")                     // or none where one is demanded [8-13]
	ErrReserved  = errors.New("reserved value")                     // a value that the standard leaves without meaning
	ErrOption    = errors.New("malformed option list")              // [9-04], [9-08], [9-10], [9.1-01]
	ErrWindow    = errors.New("impossible window")                  // a trailing edge ahead of what it trails
)

// Error says where a packet is wrong. Err is one of the sentinels of this package.
type Error struct {
	Type   Type   // the packet's; NoType for an option on its own and a packet too short to have one
	Field  string // as the RFC names it
	Offset int    // of the field, in octets from the start of the PGM header, or of the option if there is no packet
	Err    error
}

// Error returns, say, "packet: SPM: NLA AFI at offset 28: reserved value".
func (e *Error) Error() string {
	where := "packet: "
	if e.Type != NoType {
		where += e.Type.String() + ": "
	}
	return where + e.Field + " at offset " + strconv.Itoa(e.Offset) + ": " + e.Err.Error()
}

// Unwrap returns the sentinel, for errors.Is.
func (e *Error) Unwrap() error { return e.Err }

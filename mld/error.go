package mld

import (
	"errors"
	"strconv"
)

// What can be wrong with a packet. Every decoder returns one of these, wrapped in an *Error.
var (
	ErrTruncated = errors.New("truncated")         // shorter than its fields say
	ErrLength    = errors.New("impossible length") // a query of neither version [8.1]
	ErrType      = errors.New("not a message of this protocol")
	ErrChecksum  = errors.New("wrong checksum")             // [5.1.2], [5.2.2]
	ErrHopLimit  = errors.New("hop limit is not 1")         // it may have come from another link [6.2], [7.4], [7.6]
	ErrSource    = errors.New("source is not of this link") // [5.1.14], [5.2.13]
	ErrAlert     = errors.New("no Router Alert")            // [6.2], [7.4], [7.6]
	ErrGroup     = errors.New("not a multicast address")
	ErrFull      = errors.New("no room") // a limit of the configuration
)

// Error says where a message is wrong. Err is one of the sentinels of this package.
type Error struct {
	Family Family
	Field  string // as the RFCs name it
	Offset int    // of the field, in octets from the start of the message; -1 for what is not in the message
	Err    error
}

// Error returns, say, "mld: Checksum at offset 2: wrong checksum".
func (e *Error) Error() string {
	s := "mld: " + e.Family.String() + ": " + e.Field
	if e.Offset >= 0 {
		s += " at offset " + strconv.Itoa(e.Offset)
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns the sentinel, for errors.Is.
func (e *Error) Unwrap() error { return e.Err }

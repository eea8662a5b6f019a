package pgm

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// What can end the stream of an accepted Conn, besides io.EOF at its proper end. They come wrapped in a *net.OpError: test
// with errors.Is. After Close it is net.ErrClosed, after a deadline os.ErrDeadlineExceeded.
var (
	// ErrLost: data is missing that the source no longer repairs. The error is a *LostError, which says what is missing.
	ErrLost = errors.New("data lost beyond repair")
	// ErrReset: the source gave up [9.8]. The error is a *ResetError, which has the reason.
	ErrReset = errors.New("session reset by the source")
	// ErrExpired: nothing was heard of the source for ReceiverConfig.PeerExpiry.
	ErrExpired = errors.New("the source fell silent")
)

// ErrOneWay is the error of reading from a dialled Conn and of writing to an accepted one: a stream goes from its source to
// all who listen, and not back.
var ErrOneWay = errors.New("the stream goes one way")

// ErrTooLong is the error of writing a message longer than PacketConn.MaxMessage.
var ErrTooLong = errors.New("message too long")

// errAddress is the error of writing to somewhere else than the group.
var errAddress = errors.New("not the address of the group")

// LostError says which packets were lost beyond repair: First to Last, both included. It is an ErrLost.
type LostError struct{ First, Last packet.SQN }

// Error names the sequence numbers.
func (e *LostError) Error() string {
	if e.First == e.Last {
		return fmt.Sprintf("%v: packet %d", ErrLost, e.First)
	}
	return fmt.Sprintf("%v: packets %d to %d", ErrLost, e.First, e.Last)
}

// Unwrap returns ErrLost.
func (e *LostError) Unwrap() error { return ErrLost }

// ResetError says why a source gave up: Code, 0 to 63, is the application's; 0 is an unknown reason [9.8.2-03]. It is an
// ErrReset.
type ResetError struct{ Code uint8 }

// Error names the code.
func (e *ResetError) Error() string { return ErrReset.Error() + ": code " + strconv.Itoa(int(e.Code)) }

// Unwrap returns ErrReset.
func (e *ResetError) Unwrap() error { return ErrReset }

// endError is what the end of a session is to one who reads its stream; failure is why the receiver ended, if it did.
func endError(end receiver.End, reset packet.Reset, failure error) error {
	switch {
	case end == receiver.Finished:
		return io.EOF
	case end == receiver.Reset:
		return &ResetError{Code: reset.Code}
	case end == receiver.Expired:
		return ErrExpired
	case failure != nil:
		return failure
	}
	return net.ErrClosed
}

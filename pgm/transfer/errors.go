package transfer

import (
	"errors"
	"fmt"
)

// What can end a transfer, besides the context's error and those of files and sockets. Test with errors.Is.
var (
	// ErrLost: data that the source no longer repairs.
	ErrLost = errors.New("data lost beyond repair")
	// ErrReset: the other end has given up.
	ErrReset = errors.New("session reset")
	// ErrSilent: the source has not been heard for the whole of the expiry time.
	ErrSilent = errors.New("the source has fallen silent")
	// ErrMissing: not every expected receiver has begun, or finished.
	ErrMissing = errors.New("not every expected receiver has finished")
	// ErrFailed: the session came to its end, but not with every object. The Summary names them.
	ErrFailed = errors.New("not every object was transferred")
	// ErrNothing: there is nothing to send.
	ErrNothing = errors.New("nothing to send")
	// ErrCut: what is replayed ends before the session does.
	ErrCut = errors.New("the capture ends before the session does")
	// ErrTimeout: no session began in time.
	ErrTimeout = errors.New("no session began")

	// ErrDigest: the content is not what the source read.
	ErrDigest = errors.New("digest differs: the file changed while it was sent, or was damaged on its way")
	// ErrChanged: the source's file is not what it was when the session began.
	ErrChanged = errors.New("file changed while it was sent")
	// ErrName: a name that cannot be given to a file beneath the destination.
	ErrName = errors.New("name refused")
	// ErrKind: neither a file nor a directory.
	ErrKind = errors.New("neither a regular file nor a directory")
	// ErrManifest: a record that is malformed, or at odds with another.
	ErrManifest = errors.New("malformed manifest")
	// ErrNotTransfer: the session carries no files.
	ErrNotTransfer = errors.New("not a file transfer")
)

// failure is the ErrFailed of a session in which an object was not transferred: it names the object once.
func failure(p Problem) error {
	if e := (*NameError)(nil); errors.As(p.Err, &e) {
		return fmt.Errorf("%w: %w", ErrFailed, p.Err)
	}
	return fmt.Errorf("%w: %s: %w", ErrFailed, quoteName(p.Name), p.Err)
}

// SpaceError says that a file does not fit into what is free where it is to be put.
type SpaceError struct {
	Need, Free int64 // octets
}

// Error gives both figures.
func (e *SpaceError) Error() string {
	return fmt.Sprintf("no space left: %d octets are needed, %d are free", e.Need, e.Free)
}

// The codes with which a sender resets its session (OPT_RST [9.8.2-03]).
const (
	ResetUnknown     = 0 // unknown, or another program's
	ResetInterrupted = 1 // the sender was told to stop
	ResetUnreadable  = 2 // a file could not be read, or has shrunk
	ResetMissing     = 3 // an expected receiver did not begin
)

// ResetError is how a receiver sees the source give up. It is an ErrReset.
type ResetError struct{ Code uint8 }

// Error says why, as far as the code tells.
func (e *ResetError) Error() string {
	switch e.Code {
	case ResetInterrupted:
		return "session reset: the sender was interrupted"
	case ResetUnreadable:
		return "session reset: the sender could not read a file, or it has shrunk"
	case ResetMissing:
		return "session reset: the sender missed a receiver that it expected"
	}
	return fmt.Sprintf("session reset: code %d", e.Code)
}

// Unwrap returns ErrReset.
func (e *ResetError) Unwrap() error { return ErrReset }

package pcap

import (
	"bufio"
	"errors"
	"io"
	"strconv"
)

// FormatError says where reading a capture stopped, and why. What was read before is good.
type FormatError struct {
	Offset int64  // in octets from the start of the capture, of what could not be read
	Reason string // what is wrong there
	Err    error  // io.ErrUnexpectedEOF if the capture ends too soon, what the io.Reader failed with, or nil
}

// Error returns, say, "pcap: offset 24: a record of 4294967295 octets, longer than any frame".
func (e *FormatError) Error() string {
	return "pcap: offset " + strconv.FormatInt(e.Offset, 10) + ": " + e.Reason
}

// Unwrap returns the cause, for errors.Is.
func (e *FormatError) Unwrap() error { return e.Err }

const (
	// maxFrame is the longest frame that is read, the largest snap length that tcpdump and Wireshark allow. A record that claims
	// more comes from a damaged file.
	maxFrame = 256 << 10
	// inputSize is the buffer through which a capture is read. Any frame fits, with the headers and options around it.
	inputSize = 512 << 10
)

// input is a capture as a stream of octets. What peek returns stays valid until the next peek, so a caller skips what it has
// used up only when it comes for more.
type input struct {
	r   *bufio.Reader
	off int64 // of the next octet
}

func newInput(r io.Reader) *input { return &input{r: bufio.NewReaderSize(r, inputSize)} }

// peek returns the next n octets, at most inputSize. The error is io.EOF where there are none at all.
func (in *input) peek(n int) ([]byte, error) {
	b, err := in.r.Peek(n)
	if err == nil {
		return b, nil
	}
	if err == io.EOF && len(b) > 0 {
		return nil, in.short()
	}
	return nil, in.failed(err)
}

// skip passes over n octets, however many.
func (in *input) skip(n int64) error {
	for n > 0 {
		did, err := in.r.Discard(int(min(n, 1<<30)))
		in.off += int64(did)
		n -= int64(did)
		if err == io.EOF {
			return in.short()
		} else if err != nil {
			return in.failed(err)
		}
	}
	return nil
}

func (in *input) wrong(reason string) error { return &FormatError{Offset: in.off, Reason: reason} }

func (in *input) short() error {
	return &FormatError{in.off, "the capture ends in the middle of a record", io.ErrUnexpectedEOF}
}

// within turns the end of the capture, met where there must be more, into an error.
func (in *input) within(err error) error {
	if err == io.EOF {
		return in.short()
	}
	return err
}

func (in *input) failed(err error) error {
	var already *FormatError
	if err == io.EOF || errors.As(err, &already) {
		return err
	}
	return &FormatError{in.off, err.Error(), err}
}

package interop

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// headerLen is what each message begins with: source, number and length.
const headerLen = 24

// maxMessage is the longest message of a plan.
const maxMessage = 65536

// plan is what every source of a lab sends; messages.h says the same in C.
type plan struct {
	Count int   // messages
	Sizes []int // their lengths, over and over
	Lines bool  // of octets that can be printed, so that a message may be a line
}

// size returns the length of a message.
func (p plan) size(number uint32) int { return p.Sizes[int(number)%len(p.Sizes)] }

// message appends message number of a source to b.
func (p plan) message(b []byte, source, number uint32) []byte {
	size := p.size(number)
	b = fmt.Appendf(b, "%08x%08x%08x", source, number, size)
	x := source*2654435761 + number
	for range size - headerLen {
		x = x*1664525 + 1013904223
		if p.Lines {
			b = append(b, '0'+byte(x>>26))
		} else {
			b = append(b, byte(x>>24))
		}
	}
	return b
}

// flags are the flags of a peer that tell it the plan.
func (p plan) flags() []string {
	var sizes []string
	for _, n := range p.Sizes {
		sizes = append(sizes, strconv.Itoa(n))
	}
	flags := []string{"--count", strconv.Itoa(p.Count), "--sizes", strings.Join(sizes, ",")}
	if p.Lines {
		flags = append(flags, "--lines")
	}
	return flags
}

// fields reads what a message begins with.
func fields(b []byte) (source, number, size uint32, err error) {
	if len(b) < headerLen {
		return 0, 0, 0, fmt.Errorf("a message of %d octets", len(b))
	}
	var v [3]uint32
	for i := range v {
		n, err := strconv.ParseUint(string(b[8*i:8*i+8]), 16, 32)
		if err != nil {
			return 0, 0, 0, fmt.Errorf("%q where a number of a message is due", b[8*i:8*i+8])
		}
		v[i] = uint32(n)
	}
	return v[0], v[1], v[2], nil
}

// hearing verifies what comes of one source: each message whole, in order, and each octet of it.
type hearing struct {
	plan
	Source      uint32
	First, Next uint32
	Octets      int
	begun       bool
	held        []byte // of an octet stream: a message that is not whole yet
}

// complete reports whether the last message has come.
func (h *hearing) complete() bool { return h.begun && int(h.Next) == h.Count }

// event is what a receiver says when it has everything of the source.
func (h *hearing) event() string {
	return fmt.Sprintf("complete %d %d %d %d", h.Source, h.First, h.Next-h.First, h.Octets)
}

// take verifies the next message.
func (h *hearing) take(b []byte) error {
	source, number, _, err := fields(b)
	if err != nil {
		return err
	}
	if !h.begun {
		h.begun, h.Source, h.First, h.Next = true, source, number, number
	}
	if source != h.Source || number != h.Next || int(number) >= h.Count {
		return fmt.Errorf("source %d message %d where source %d message %d is due", source, number, h.Source, h.Next)
	}
	if !bytes.Equal(b, h.message(nil, source, number)) {
		return fmt.Errorf("source %d message %d, of %d octets, is not what was sent", source, number, len(b))
	}
	h.Next++
	h.Octets += len(b)
	return nil
}

// stream verifies the next octets of a stream of messages whose bounds are not kept.
func (h *hearing) stream(b []byte) error {
	h.held = append(h.held, b...)
	for len(h.held) >= headerLen {
		_, _, size, err := fields(h.held)
		if err != nil {
			return err
		}
		if size < headerLen || size > maxMessage {
			return fmt.Errorf("a message of %d octets in the stream", size)
		}
		if len(h.held) < int(size) {
			break
		}
		if err := h.take(h.held[:size]); err != nil {
			return err
		}
		h.held = h.held[size:]
	}
	return nil
}

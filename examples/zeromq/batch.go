package main

import (
	"encoding/binary"
	"errors"
)

// noStart is the offset of a batch in which no message starts.
const noStart = 0xffff

// offsetLen is what each batch begins with.
const offsetLen = 2

// more is the flag of a frame behind which another of the same message follows.
const more = 1

// maxFrame bounds what a decoder holds, in octets.
const maxFrame = 64 << 20

var errBatch = errors.New("this is not from ZeroMQ")

// encoder makes what a ZeroMQ PUB sends over PGM: messages one behind the other, cut into batches, each of which is a PGM packet.
//
//	| Offset of the first message that | Octets of messages, the first of which |
//	| starts in the batch, or 0xffff   | may have begun in an earlier batch ... |
//
// A message is one frame or more (ZMTP/1.0): n+1 in one octet, flags in another, and n octets; if n is more than 253, 0xff, n+1 in
// eight octets, flags, and n octets.
type encoder struct {
	max    int // octets of a batch
	out    []byte
	starts []int // of messages, in out
}

// add appends a message of one frame.
func (e *encoder) add(message []byte) {
	e.starts = append(e.starts, len(e.out))
	if n := len(message) + 1; n < 0xff {
		e.out = append(e.out, byte(n))
	} else {
		e.out = binary.BigEndian.AppendUint64(append(e.out, 0xff), uint64(n))
	}
	e.out = append(append(e.out, 0), message...)
}

// next returns the next batch; nil if there is nothing left.
func (e *encoder) next() []byte {
	n := min(len(e.out), e.max-offsetLen)
	if n == 0 {
		return nil
	}
	offset := noStart
	if len(e.starts) > 0 && e.starts[0] < n {
		offset = e.starts[0]
	}
	batch := append(binary.BigEndian.AppendUint16(nil, uint16(offset)), e.out[:n]...)
	e.out = e.out[n:]
	rest := e.starts[:0]
	for _, s := range e.starts {
		if s >= n {
			rest = append(rest, s-n)
		}
	}
	e.starts = rest
	return batch
}

// decoder reads the batches of one PUB. It begins with the first message that starts in a batch that it gets, and again so after
// a loss, which it notices by an offset that is not where a message ends. Of a stream with a loss of exactly the octets that
// make another message fit, that one is damaged: the framing has nothing to tell.
type decoder struct {
	synced bool
	held   []byte // the beginning of a message
}

// add reads a batch, and calls take with the frames of each message that it completes. They are valid during the call.
func (d *decoder) add(batch []byte, take func(frames [][]byte)) error {
	if len(batch) < offsetLen {
		return errBatch
	}
	offset, body := int(binary.BigEndian.Uint16(batch)), batch[offsetLen:]
	starts := offset != noStart
	if !starts {
		offset = len(body)
	}
	if offset > len(body) {
		return errBatch
	}
	if d.synced {
		d.held = append(d.held, body[:offset]...)
		frames, end, err := message(d.held)
		switch {
		case err == nil && end == 0 && !starts: // there is more to come of it
			return nil
		case err == nil && end > 0 && end == len(d.held):
			take(frames)
		case len(d.held) > 0: // of another message than that which ends, or does not, in this batch
			d.synced = false
		}
		d.held = d.held[:0]
	}
	if !starts {
		return nil
	}
	d.synced = true
	for body = body[offset:]; ; {
		frames, end, err := message(body)
		if err != nil {
			*d = decoder{}
			return err
		}
		if end == 0 {
			d.held = append(d.held, body...)
			return nil
		}
		take(frames)
		body = body[end:]
	}
}

// message reads the frames of the message that b begins with, and says where it ends; 0 if it is not whole.
func message(b []byte) (frames [][]byte, end int, err error) {
	for {
		rest := b[end:]
		if len(rest) == 0 {
			return nil, 0, nil
		}
		size, header := uint64(rest[0]), 1
		if size == 0xff {
			if len(rest) < 9 {
				return nil, 0, nil
			}
			size, header = binary.BigEndian.Uint64(rest[1:]), 9
		}
		if size == 0 || size > maxFrame {
			return nil, 0, errBatch
		}
		if uint64(len(rest)-header) < size {
			return nil, 0, nil
		}
		frame := rest[header : header+int(size)]
		if frame[0]&^more != 0 {
			return nil, 0, errBatch
		}
		frames = append(frames, frame[1:])
		if end += header + int(size); frame[0]&more == 0 {
			return frames, end, nil
		}
	}
}

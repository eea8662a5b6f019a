package transfer

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// statement is what a receiver tells the source in a receipt: all that it has of the session so far. A receipt that is lost costs nothing,
// because the next says the same and more. On the wire, in network byte order:
//
//	'G' 'P' 'G' 'R'   Version = 1   Kind (1)   flags (1)   reserved (1)
//	Session ID (16)   Receiver ID (8)   Sequence (4)
//
// and in a statement (Kind 1), but not in its acknowledgement (Kind 2), also
//
//	Objects held (4)   Objects failed (4)   Octets held (8)   Octets in files (8)   Packets lost (8)   Packets repaired (8)   Milliseconds (4)
//	Length of the name (1)   name   Number of problems (1)
//	for each: Object Number (4)   Length of the reason (1)   reason
//
// Flag 1: the receiver has finished, and has all that it is going to have.
type statement struct {
	Session  SessionID
	Receiver uint64 // drawn at random by the receiver for this session
	Sequence uint32 // of the statement: a later one holds more
	Finished bool
	Objects  uint32 // held, with the right digest
	Failed   uint32
	Bytes    uint64 // of the objects held
	Written  uint64 // of all objects
	Lost     uint64
	Repaired uint64
	Elapsed  time.Duration // in milliseconds
	Name     string
	Problems []receiptProblem
}

// receiptProblem is an object that failed, and why.
type receiptProblem struct {
	Object uint32 // its number; 0xffffffff: it has none
	Reason string
}

const (
	receiptMagic  = "GPGR\x01"
	receiptHeader = 36
	receiptFixed  = receiptHeader + 44
	maxReceipt    = 1200 // octets: less than any MTU leaves
	maxReason     = 160
	maxHostName   = 255
	maxProblems   = 255

	kindStatement   = 1
	kindAcknowledge = 2

	flagFinished = 1
)

var errReceipt = errors.New("transfer: malformed receipt")

func appendReceiptHeader(b []byte, kind, flags byte, s *statement) []byte {
	b = append(b, receiptMagic...)
	b = append(b, kind, flags, 0)
	b = append(b, s.Session[:]...)
	b = binary.BigEndian.AppendUint64(b, s.Receiver)
	return binary.BigEndian.AppendUint32(b, s.Sequence)
}

// append appends the statement, with as many problems as there is room for.
func (s *statement) append(b []byte) []byte {
	start := len(b)
	var flags byte
	if s.Finished {
		flags |= flagFinished
	}
	b = appendReceiptHeader(b, kindStatement, flags, s)
	b = binary.BigEndian.AppendUint32(b, s.Objects)
	b = binary.BigEndian.AppendUint32(b, s.Failed)
	b = binary.BigEndian.AppendUint64(b, s.Bytes)
	b = binary.BigEndian.AppendUint64(b, s.Written)
	b = binary.BigEndian.AppendUint64(b, s.Lost)
	b = binary.BigEndian.AppendUint64(b, s.Repaired)
	b = binary.BigEndian.AppendUint32(b, uint32(min(s.Elapsed.Milliseconds(), 1<<32-1)))
	name := clip(s.Name, maxHostName)
	b = append(b, byte(len(name)))
	b = append(b, name...)
	at := len(b)
	b = append(b, 0)
	for _, p := range s.Problems {
		reason := clip(p.Reason, maxReason)
		if len(b)-start+5+len(reason) > maxReceipt || b[at] == maxProblems {
			break
		}
		b[at]++
		b = binary.BigEndian.AppendUint32(b, p.Object)
		b = append(b, byte(len(reason)))
		b = append(b, reason...)
	}
	return b
}

// clip makes s fit for a terminal and at most n octets long.
func clip(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
	if len(s) <= n {
		return s
	}
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// appendAcknowledge appends the acknowledgement of s.
func appendAcknowledge(b []byte, s *statement) []byte {
	return appendReceiptHeader(b, kindAcknowledge, 0, s)
}

// parseReceipt reads a statement or an acknowledgement. What it finds does not alias b.
func parseReceipt(b []byte) (s statement, kind byte, err error) {
	if len(b) < receiptHeader || len(b) > maxReceipt || string(b[:len(receiptMagic)]) != receiptMagic {
		return s, 0, errReceipt
	}
	kind = b[5]
	s.Finished = b[6]&flagFinished != 0
	s.Session = SessionID(b[8:24])
	s.Receiver = binary.BigEndian.Uint64(b[24:])
	s.Sequence = binary.BigEndian.Uint32(b[32:])
	switch {
	case kind == kindAcknowledge && len(b) == receiptHeader:
		s.Finished = false
		return s, kind, nil
	case kind != kindStatement || len(b) < receiptFixed+2:
		return s, 0, errReceipt
	}
	f := b[receiptHeader:]
	s.Objects = binary.BigEndian.Uint32(f)
	s.Failed = binary.BigEndian.Uint32(f[4:])
	s.Bytes = binary.BigEndian.Uint64(f[8:])
	s.Written = binary.BigEndian.Uint64(f[16:])
	s.Lost = binary.BigEndian.Uint64(f[24:])
	s.Repaired = binary.BigEndian.Uint64(f[32:])
	s.Elapsed = time.Duration(binary.BigEndian.Uint32(f[40:])) * time.Millisecond
	rest := b[receiptFixed:]
	text := func() (string, bool) {
		if len(rest) == 0 || len(rest) < 1+int(rest[0]) {
			return "", false
		}
		t := string(rest[1 : 1+int(rest[0])])
		rest = rest[1+len(t):]
		return t, utf8.ValidString(t) && clip(t, len(t)) == t
	}
	var ok bool
	if s.Name, ok = text(); !ok || len(rest) == 0 {
		return s, 0, errReceipt
	}
	n := int(rest[0])
	rest = rest[1:]
	for range n {
		if len(rest) < 5 {
			return s, 0, errReceipt
		}
		p := receiptProblem{Object: binary.BigEndian.Uint32(rest)}
		rest = rest[4:]
		if p.Reason, ok = text(); !ok || len(p.Reason) > maxReason {
			return s, 0, errReceipt
		}
		s.Problems = append(s.Problems, p)
	}
	if len(rest) != 0 {
		return s, 0, errReceipt
	}
	return s, kind, nil
}

// reporter decides when a receiver states what it has: some time after there is news, at random, so that not all receivers speak at once;
// then again and again, less and less often, until the source acknowledges or it has been enough.
type reporter struct {
	id       uint64
	finished bool
	seq      uint32 // of what is to be stated
	acked    uint32
	due      time.Time // zero: nothing is
	sent     time.Time // when the last statement was
	tries    int       // of this sequence
}

const (
	// begunDelay and heldDelay are over how much time receivers spread what they state, and reportEvery how much there is at least between two
	// statements of one.
	begunDelay  = 20 * time.Millisecond
	heldDelay   = 50 * time.Millisecond
	reportEvery = 250 * time.Millisecond
	// reportAlive is how often a receiver that has nothing new to state does so all the same, until it has finished: a source waits for those
	// that it hears of.
	reportAlive = 2 * time.Second
	// reportTries, reportFirst and reportMost say how often a statement is repeated, and after how long.
	reportTries = 10
	reportFirst = 100 * time.Millisecond
	reportMost  = 2 * time.Second
)

func (r *reporter) init() { r.id = rand.Uint64() }

// news says that there is more to state than before.
func (r *reporter) news(now time.Time, spread time.Duration) {
	pending := r.tries == 0 && !r.due.IsZero()
	r.seq++
	r.tries = 0
	at := now.Add(rand.N(spread))
	if soonest := r.sent.Add(reportEvery); !r.finished && at.Before(soonest) {
		at = soonest
	}
	if !pending || at.Before(r.due) { // else what is about to be stated includes it
		r.due = at
	}
}

// poll reports whether a statement is due now, and counts it as made.
func (r *reporter) poll(now time.Time) bool {
	if r.due.IsZero() {
		if r.finished || r.seq == 0 || now.Sub(r.sent) < reportAlive {
			return false
		}
		r.news(now, 1)
	}
	if now.Before(r.due) {
		return false
	}
	r.sent = now
	r.tries++
	if r.tries >= reportTries {
		r.due = time.Time{}
		return true
	}
	wait := min(reportFirst<<(r.tries-1), reportMost)
	r.due = now.Add(wait + rand.N(wait/4))
	return true
}

// acknowledged says that the source has the statement of that sequence.
func (r *reporter) acknowledged(seq uint32) {
	if seq == r.seq {
		r.acked, r.due = seq, time.Time{}
	}
}

// rest reports whether there is nothing more to state: the last has been acknowledged, or repeated enough.
func (r *reporter) rest() bool {
	return r.finished && r.due.IsZero() && (r.acked == r.seq || r.tries >= reportTries)
}

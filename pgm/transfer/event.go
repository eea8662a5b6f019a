package transfer

import (
	"time"
)

// Kind says what happened; which fields of an Event have a meaning depends on it.
type Kind uint8

// The kinds of events.
const (
	// Began: the session has begun. Objects, Total, Session; at a receiver Peer; Resumed, what it already has.
	Began Kind = iota + 1
	// Progress: so far. Bytes, Total, Objects, Rate, ETA, Lost, Repaired; at the sender Receivers.
	Progress
	// Complete: an object is under its name, verified (receiver), or all of it was sent (sender). Name, Size, Digest, Duration,
	// Rate (its goodput), Lost, Repaired.
	Complete
	// Refused: an object is left out, for its name or kind. Name, Err.
	Refused
	// Failed: an object, or, with an empty Name, the session was begun and did not succeed. Name, Err.
	Failed
	// Receipt: a receiver has told something new. Receiver.
	Receipt
	// NoReceiver: none has been heard of for some seconds; nothing is wrong with that but for those who expect one. Err says
	// what it means. Bytes, Total, Expected, Missing; Flow, and ETA, how long the rest takes at that rate if none comes.
	NoReceiver
	// Waiting: the sender waits for receivers, to begin (Bytes is 0) or to finish. Receivers, Expected, Missing.
	Waiting
	// Done: the session is over. Objects, Bytes, Duration, Rate, Lost, Repaired; Err if it did not come to its end.
	Done
	// Shed, Demoted: a receiver held up the others, and is waited for no more, or has the rest when they have everything. Peer, its
	// address; Missing, the names of those there. Readmitted: a demoted one counts again.
	Shed
	Demoted
	Readmitted
	// Listening: the receiver has joined the group and can write to its destination.
	Listening
	// Alone: every receiver that had begun has failed or fallen silent before all was sent. Receivers, Expected, Missing; ETA, after how long the
	// session ends unless one begins.
	Alone
)

// String returns the kind in lower case, as reports for machines write it.
func (k Kind) String() string {
	names := [...]string{Began: "began", Progress: "progress", Complete: "complete", Refused: "refused", Failed: "failed",
		Receipt: "receipt", NoReceiver: "no-receiver", Waiting: "waiting", Done: "done", Shed: "shed", Demoted: "demoted", Readmitted: "readmitted", Listening: "listening", Alone: "alone"}
	if int(k) < len(names) && names[k] != "" {
		return names[k]
	}
	return "unknown"
}

// Event is something that a display or a log may want to tell. Fields without a meaning for the Kind are zero.
type Event struct {
	Kind    Kind
	Time    time.Time
	Session string // the TSI
	Peer    string // receiver: the address of the source; Shed, Demoted, Readmitted: that of the receiver

	Name   string   // of the object, a slash path
	Dir    bool     // the object is a directory
	Size   int64    // of the object, in octets
	Digest [32]byte // BLAKE3-256 of the object

	Bytes   int64 // content sent, or received and written, so far
	Total   int64 // content of the whole session
	Resumed int64 // content that was there from an earlier run, part of Bytes
	Objects int   // Began: in the session; otherwise complete so far

	Duration time.Duration // since the session, or the object, began
	Rate     float64       // content, in octets a second: over the last seconds (Progress), over all (Complete, Done)
	ETA      time.Duration // at that rate; 0: unknown

	Lost     uint64 // data packets missed
	Repaired uint64 // data packets that came, or were sent, as repairs

	Receivers int              // sender: that have begun
	Finished  int              // sender: that have finished
	Expected  int              // sender: that must
	Missing   []string         // sender: who is waited for
	Receiver  *ReceiverSummary // Receipt
	Flow      Flow             // sender, Progress, NoReceiver

	Err error
}

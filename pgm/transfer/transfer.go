// Package transfer carries files and trees over a PGM session: each octet crosses the wire once, each copy is verified, and
// the sender learns who holds what.
//
// A session is laid out in the space of sequence numbers (layout.go): records that list the objects (manifest.go), the blocks
// of each object, and its digest. The number of a packet gives the object and the offset by arithmetic, so the files are the
// transmit window: the sender keeps nothing in memory (store.go), and a receiver writes each packet where it belongs in whatever
// order they come (place.go, part.go). A receiver tells what it holds in receipts (receipt.go).
//
// Send and Receive are what a program calls; DecodeStream writes the same session, delivered in order, to one io.Writer.
package transfer

import (
	"time"

	"github.com/gopgm/gopgm/pgm"
)

// SendOptions say whom Send waits for and whom it tells. The zero value sends at once and waits for those that report.
type SendOptions struct {
	// Expect is the number of receivers that must have begun before the files are sent, and must have finished for Send to
	// succeed. 0: none must.
	Expect int
	// ExpectFrom names receivers that must, as they name themselves in their receipts. They are counted besides Expect only
	// as far as they exceed it.
	ExpectFrom []string
	// Timeout is how long the expected may take to begin, and how long a receiver that has begun may be silent before it is
	// given up. Default 30 s.
	Timeout time.Duration
	// Linger is how long the session stays, after the last packet was sent, for receivers that have not said that they are
	// there. Default 2 s; negative: not at all.
	Linger time.Duration
	// OneWay is for receivers that nobody can hear: they are told so, and send nothing. All is sent again and again, with other parity each
	// time (pgm.Config.FEC; without any, half of a default is taken), Rounds times, or, if that is 0, until the context is done, which is no
	// error then.
	OneWay bool
	Rounds int
	// Observe, if not nil, is called for each event, one at a time, and delays the transfer
	// while it runs.
	Observe func(Event)
	// Progress is the time between Progress events. Default 500 ms.
	Progress time.Duration
}

// ReceiveOptions say where Receive puts what comes and when it returns.
type ReceiveOptions struct {
	Dir string // destination directory, which must exist; default "."
	// Once makes Receive return when one session has ended. Otherwise it returns when its context does.
	Once bool
	// Timeout is how long Receive waits for a session to begin, and a session may be silent. Default: for ever; and what
	// the engine's peer expiry says.
	Timeout time.Duration
	Name    string // of this receiver, in its receipts; default the host's name
	// OneWay receivers send nothing at all, not even before they hear from the source that it would hear nothing.
	OneWay bool
	// Observe, if not nil, is called for each event, one at a time.
	Observe func(Event)
	// Progress is the time between Progress events of a session. Default 500 ms.
	Progress time.Duration
}

// Summary is what became of a transfer.
type Summary struct {
	// Sessions has the one session of Send, or each of those that Receive or Replay took part in, in the order in which they ended; of very
	// many, the last MaxSessions at least.
	Sessions []SessionSummary
	// Receivers has, for Send, each receiver that has reported, in the order of their names.
	Receivers []ReceiverSummary
	// Missing names what Send expected and did not get: names of ExpectFrom, and "n more" for Expect.
	Missing []string
	// Source has the counters of Send's session and its sockets, Receiver those of Receive, of all its sessions.
	Source   pgm.SenderStats
	Receiver pgm.ReceiverStats
}

// SessionSummary is what became of one session.
type SessionSummary struct {
	Session  string        // the TSI
	From     string        // the source's address; empty for Send
	Objects  int           // files and directories that were sent; at a receiver, that it holds, with the right digest
	Bytes    int64         // of those, octets of content
	Wire     uint64        // of Send: octets of packets sent, network headers and repairs included
	Duration time.Duration // from the manifest to the last octet
	Lost     uint64        // data packets that were missed, at a receiver
	Repaired uint64        // data packets that came as repairs; for Send, that were sent as repairs
	Problems []Problem     // objects that were refused or failed, the first MaxProblems of them
	Failed   int           // how many objects were refused or failed
	Err      error         // nil if the session came to its end, even if objects failed
}

// ReceiverSummary is what one receiver has told.
type ReceiverSummary struct {
	Name     string // as it names itself
	Addr     string // where its receipts came from
	Finished bool   // it has all that it is going to have
	Shed     bool   // it held up the others, and was not waited for (pgm.Config.Slow)
	Objects  int    // that it holds, with the right digest
	Failed   int    // that it refused, or whose digest was wrong
	Bytes    int64  // of those that it holds
	Lost     uint64 // data packets that it missed
	Repaired uint64 // data packets that reached it as repairs
	Duration time.Duration
	Problems []Problem // the first few
}

// Problem is an object that was not transferred, and why; without a Name it is all that is missing.
type Problem struct {
	Name string
	Err  error
}

// String returns the name, if there is one, and why.
func (p Problem) String() string {
	if p.Name == "" {
		return p.Err.Error()
	}
	return p.Name + ": " + p.Err.Error()
}

// MaxSessions is how many sessions a Summary has at least, if there were so many.
const MaxSessions = 1000

// MaxProblems bounds SessionSummary.Problems.
const MaxProblems = 1000

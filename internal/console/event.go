package console

import (
	"encoding/hex"
	"time"

	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/transfer"
)

// TransferReport is an event of a transfer as reports for machines have it. Fields are only ever added.
type TransferReport struct {
	Event     string           `json:"event"`
	Time      time.Time        `json:"time"`
	Session   string           `json:"session,omitempty"`
	Source    string           `json:"source,omitempty"`
	Name      string           `json:"name,omitempty"`
	Dir       bool             `json:"dir,omitempty"`
	Size      *int64           `json:"size,omitempty"`
	Digest    string           `json:"blake3,omitempty"`
	Objects   int              `json:"objects,omitempty"`
	Bytes     int64            `json:"bytes"`
	Total     int64            `json:"total,omitempty"`
	Resumed   int64            `json:"resumed,omitempty"`
	Seconds   float64          `json:"seconds,omitempty"`
	Rate      float64          `json:"bits_per_second,omitempty"`
	ETA       float64          `json:"eta_seconds,omitempty"`
	Lost      uint64           `json:"lost"`
	Repaired  uint64           `json:"repaired"`
	Begun     int              `json:"receivers_begun,omitempty"`
	Finished  int              `json:"receivers_finished,omitempty"`
	Expected  int              `json:"expected,omitempty"`
	Missing   []string         `json:"missing,omitempty"`
	Receiver  *ReceiverReport  `json:"receiver,omitempty"`
	Receivers []ReceiverReport `json:"receivers,omitempty"`
	Error     string           `json:"error,omitempty"`

	// How the source sends, where congestion control finds the rate.
	Sending  float64 `json:"sending_bits_per_second,omitempty"` // what may leave, headers and repairs included
	Acker    string  `json:"acker,omitempty"`                   // the receiver that sets the rate
	RTT      float64 `json:"rtt_seconds,omitempty"`             // of it
	LossRate float64 `json:"loss_rate,omitempty"`               // of what it is sent, 0 to 1
	Queue    float64 `json:"queue_seconds,omitempty"`           // for which packets to it wait on the way
	Overflow uint64  `json:"overflow,omitempty"`                // packets that its socket had no room for

	// Counters of the engine and the sockets, when a session is over.
	ODATA       uint64 `json:"odata,omitempty"`
	RDATA       uint64 `json:"rdata,omitempty"`
	Parity      uint64 `json:"parity,omitempty"`  // parity packets, asked for or not
	Rebuilt     uint64 `json:"rebuilt,omitempty"` // packets that came of it
	Rounds      uint64 `json:"rounds,omitempty"`  // in which all was sent once more
	SPMs        uint64 `json:"spms,omitempty"`
	NAKs        uint64 `json:"naks,omitempty"`
	NCFs        uint64 `json:"ncfs,omitempty"`
	ACKs        uint64 `json:"acks,omitempty"`
	Elections   uint64 `json:"elections,omitempty"`       // of ackers
	Overdue     uint64 `json:"overdue,omitempty"`         // times that no acknowledgement came
	Queues      uint64 `json:"queue_losses,omitempty"`    // times that the rate was lowered: for losses in long queues,
	Excess      uint64 `json:"excess_losses,omitempty"`   // for losses beyond those of a calm network,
	Overflows   uint64 `json:"overflow_losses,omitempty"` // and for losses in a receiver's socket
	KernelDrops uint64 `json:"kernel_drops,omitempty"`
	Dropped     uint64 `json:"dropped,omitempty"` // by --drop
	Malformed   uint64 `json:"malformed,omitempty"`
}

// ReceiverReport is what a receiver has told the sender.
type ReceiverReport struct {
	Name     string   `json:"name"`
	Addr     string   `json:"address"`
	Status   string   `json:"status"` // complete, incomplete, shed or begun
	Objects  int      `json:"objects"`
	Failed   int      `json:"failed"`
	Bytes    int64    `json:"bytes"`
	Lost     uint64   `json:"lost"`
	Repaired uint64   `json:"repaired"`
	Seconds  float64  `json:"seconds"`
	Problems []string `json:"problems,omitempty"`
}

// NewTransferReport returns the report of an event.
func NewTransferReport(e transfer.Event) TransferReport {
	r := TransferReport{
		Event: e.Kind.String(), Time: e.Time, Session: e.Session, Source: e.Peer, Name: e.Name, Dir: e.Dir,
		Objects: e.Objects, Bytes: e.Bytes, Total: e.Total, Resumed: e.Resumed,
		Seconds: e.Duration.Seconds(), Rate: e.Rate * 8, ETA: e.ETA.Seconds(), Lost: e.Lost, Repaired: e.Repaired,
		Begun: e.Receivers, Finished: e.Finished, Expected: e.Expected, Missing: e.Missing,
	}
	if e.Kind == transfer.Complete {
		r.Size, r.Bytes = &e.Size, e.Size
		if !e.Dir {
			r.Digest = hex.EncodeToString(e.Digest[:])
		}
	}
	if a := e.Flow.Acker; a.Addr.IsValid() {
		r.Sending, r.Acker, r.RTT = float64(e.Flow.Rate)*8, a.Addr.String(), a.RTT.Seconds()
		r.LossRate, r.Queue, r.Overflow = a.Loss, a.Delay.Seconds(), a.Overflow
	}
	if e.Err != nil {
		r.Error = e.Err.Error()
	}
	if e.Receiver != nil {
		v := NewReceiverReport(*e.Receiver)
		r.Receiver = &v
	}
	return r
}

// NewReceiverReport returns the report of what a receiver has told.
func NewReceiverReport(s transfer.ReceiverSummary) ReceiverReport {
	r := ReceiverReport{
		Name: s.Name, Addr: s.Addr, Status: Standing(s), Objects: s.Objects, Failed: s.Failed, Bytes: s.Bytes,
		Lost: s.Lost, Repaired: s.Repaired, Seconds: s.Duration.Seconds(),
	}
	for _, p := range s.Problems {
		r.Problems = append(r.Problems, p.String())
	}
	return r
}

// Standing says in a word how far a receiver is.
func Standing(s transfer.ReceiverSummary) string {
	switch {
	case s.Finished && s.Failed == 0:
		return "complete"
	case s.Finished:
		return "incomplete"
	case s.Shed:
		return "shed"
	}
	return "begun"
}

// NewSessionReport returns the report with which a session ends.
func NewSessionReport(s transfer.SessionSummary) TransferReport {
	r := TransferReport{
		Event: transfer.Done.String(), Time: time.Now(), Session: s.Session, Source: s.From, Objects: s.Objects, Bytes: s.Bytes,
		Seconds: s.Duration.Seconds(), Lost: s.Lost, Repaired: s.Repaired,
	}
	if s.Duration > 0 {
		r.Rate = float64(s.Bytes) * 8 / s.Duration.Seconds()
	}
	return r
}

// AddSource adds the counters of a source and its sockets.
func (r *TransferReport) AddSource(s *pgm.SenderStats) {
	r.ODATA, r.RDATA, r.SPMs, r.NAKs, r.NCFs = s.ODATA, s.RDATA, s.SPM, s.NAKs, s.NCF
	r.Parity, r.Rounds = s.ProactiveParity+s.DemandParity, s.Rounds
	r.ACKs, r.KernelDrops = s.Control.ACKs, s.Socket.Drops
	a := &s.Control.Auto
	r.Elections, r.Overdue, r.Queues, r.Excess, r.Overflows = a.Elections, a.Timeouts, a.Queue, a.Excess, a.Overflow
}

// NewExitReport returns the last report of a receiver: what it counted.
func NewExitReport(s *pgm.ReceiverStats) TransferReport {
	return TransferReport{
		Event: "exit", Time: time.Now(), Bytes: int64(s.Bytes), Lost: s.Missed, Repaired: s.Repaired,
		ODATA: s.ODATA, RDATA: s.RDATA, Parity: s.Parity, Rebuilt: s.Rebuilt, SPMs: s.SPMs, NAKs: s.NAKs, NCFs: s.NCFs,
		KernelDrops: s.Socket.Drops, Dropped: s.Dropped, Malformed: s.Malformed + s.Truncated + s.Checksum,
	}
}

package receiver

import (
	"github.com/gopgm/gopgm/pgm/packet"
)

// Data is one data packet as it is delivered.
type Data struct {
	SQN      packet.SQN
	TSDU     []byte          // the application's octets; valid during the call only
	Fragment packet.Fragment // Length 0: the packet is an APDU of its own
	Syn, Fin bool            // OPT_SYN and OPT_FIN
	Repaired bool            // it came as RDATA
}

// Sink takes what one session delivers. Its methods are called on the goroutine that drives the engine, from within HandlePacket,
// HandleTimeout and Session.Resume; they may call the methods of their Session but for Resume.
type Sink interface {
	// Data takes one packet: each exactly once, in the order of the SQNs, or as they come if the session is unordered. When it
	// returns false the packet was not taken: an ordered session keeps it and offers it again after Resume; an unordered one
	// regards it as not received, so that it will be asked for again.
	Data(d Data) bool
	// Lost says that the packets first..last cannot be recovered [6.3-30]. An ordered session goes on behind them.
	Lost(first, last packet.SQN)
	// End says that the session is over: no more data comes.
	End(reason End, reset packet.Reset)
}

// Reporter is a Sink that wants the source's answers to its reports. The octets are valid during the call only. Answers may come after End,
// which an answer to the last report mostly does.
type Reporter interface {
	Report(body []byte)
}

// End says why a session ended.
type End uint8

// The ways a session ends.
const (
	Finished End = iota // OPT_FIN, and all data was delivered or reported lost [9.7]
	Reset               // OPT_RST: the source gave up [9.8]
	Expired             // nothing was heard from the source for too long
	Closed              // Session.Close was called
)

// String says it in words.
func (e End) String() string {
	switch e {
	case Finished:
		return "finished"
	case Reset:
		return "reset by the source"
	case Expired:
		return "source fell silent"
	}
	return "closed"
}

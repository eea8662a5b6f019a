package pgm

import (
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// Flusher is a Sink that wants to know when a batch of datagrams is through. Flush is called on the loop's goroutine after each batch that
// delivered something to the sink. The TSDUs that an unordered session delivered from it stay as they are after Flush too if the
// lease is retained: so files can be written beside the loop without a copy. What holds many leases holds up the Receiver.
//
// Flush reports whether it keeps something back, to pass it on together with what the next batches bring. Then it is called again with
// NoLease, for which nothing may be kept back: when HoldFor has passed, or sooner, when memory is short.
type Flusher interface {
	Flush(l Lease) (held bool)
}

// HoldFor is how long a Flusher may keep something back: little beside a round trip to a far host, much beside the time between two batches
// when there is much to write.
const HoldFor = 4 * time.Millisecond

// Lease is a hold on the memory of a batch. Each Retain is answered by one Release; both may be called from any goroutine.
type Lease interface {
	Retain()
	Release()
}

// NoLease is the lease of what was not delivered from a batch: there is nothing to hold.
type NoLease struct{}

// Retain does nothing.
func (NoLease) Retain() {}

// Release does nothing.
func (NoLease) Release() {}

// Flushers notes which Flushers got something since they were flushed last. It is for who drives an engine, as a Receiver does, and belongs
// to the goroutine that does.
type Flushers struct {
	dirty []*flushSink
}

// Sink returns what the engine is to be given in the place of sink, nil for nil.
func (f *Flushers) Sink(sink receiver.Sink) receiver.Sink {
	flusher, ok := sink.(Flusher)
	if !ok {
		return sink
	}
	reporter, _ := sink.(receiver.Reporter)
	observer, _ := sink.(receiver.Observer)
	decoder, _ := sink.(receiver.Decoder)
	return &flushSink{Sink: sink, flusher: flusher, reporter: reporter, observer: observer, decoder: decoder, all: f}
}

// Flush flushes them, and reports whether one of them keeps something back.
func (f *Flushers) Flush(l Lease) (held bool) {
	kept := f.dirty[:0]
	for _, s := range f.dirty {
		if s.dirty = s.flusher.Flush(l); s.dirty {
			kept = append(kept, s)
		}
	}
	clear(f.dirty[len(kept):])
	f.dirty = kept
	return len(kept) > 0
}

// flushSink stands before a Sink that is a Flusher, and notes that it got something.
type flushSink struct {
	receiver.Sink
	flusher  Flusher
	reporter receiver.Reporter // nil if the Sink is none
	observer receiver.Observer // likewise
	decoder  receiver.Decoder  // likewise
	all      *Flushers
	dirty    bool
}

// Data passes d on.
func (s *flushSink) Data(d receiver.Data) bool {
	s.touch()
	return s.Sink.Data(d)
}

func (s *flushSink) touch() {
	if !s.dirty {
		s.dirty = true
		s.all.dirty = append(s.all.dirty, s)
	}
}

// Decode passes a group on: what it brings may come with the next flush.
func (s *flushSink) Decode(j *fec.Job) bool {
	if s.decoder == nil {
		return false
	}
	s.touch()
	return s.decoder.Decode(j)
}

// Report passes the answer of the source on.
func (s *flushSink) Report(body []byte) {
	if s.reporter != nil {
		s.reporter.Report(body)
	}
}

// Event passes on what the source said of its session.
func (s *flushSink) Event(e receiver.Event) {
	if s.observer != nil {
		s.observer.Event(e)
	}
}

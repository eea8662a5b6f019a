package transfer

import (
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// §11: where there is parity, what comes before its record is kept, since parity may bring the record: nobody can be asked for it again where
// the source hears nobody.
func TestWhatComesBeforeItsRecordIsKeptForParity(t *testing.T) {
	r, record := handInbox(t)
	r.in.Decode(nil) // the session has parity
	m := &Manifest{First: 10, Data: 11, Next: 13, Last: true, Block: 1400, Count: 1, Total: 3, Objects: []Object{{Name: "f", Size: 3}}}
	m.place()
	sum := sum256([]byte("abc"))
	if !r.in.Data(receiver.Data{SQN: 11, TSDU: []byte("abc")}) || !r.in.Data(receiver.Data{SQN: 12, TSDU: appendDigest(nil, 0, 3, &sum)}) {
		t.Fatal("refused, and so asked for again")
	}
	record(m)
	r.loop.end(receiver.Finished, packet.Reset{})
	r.flush()
	<-r.in.concluded
	if r.in.objects != 1 || r.in.err != nil {
		t.Errorf("held %d: %v", r.in.objects, r.in.err)
	}
	if len(r.in.parity.early) > 0 || r.in.parity.records[11].TSDU != nil {
		t.Error("it is kept still")
	}
}

// What is kept so is bounded.
func TestPacketsWithoutRecordAreBounded(t *testing.T) {
	r, _ := handInbox(t)
	r.in.Decode(nil)
	taken := 0
	for i := range packet.SQN(10_000) {
		if r.in.Data(receiver.Data{SQN: 100 + i, TSDU: []byte("abc")}) {
			taken++
		}
	}
	if taken != maxEarlyPackets {
		t.Errorf("%d were taken", taken)
	}
}

// Where nobody can ask, a record that was missed comes in the next round, however long that takes.
func TestOneWayReceiverWaitsForTheNextRound(t *testing.T) {
	r, record := handInbox(t)
	r.in.mute()
	now := time.Now()
	for range 100 {
		r.data(11, []byte("abc"))
		r.in.tick(now)
		now = now.Add(time.Second)
	}
	r.wholeInOneBatch(record, &Manifest{OneWay: true})
}

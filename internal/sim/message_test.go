package sim

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
	"github.com/gopgm/gopgm/pgm/source"
)

// message returns message n: of 4 to some 2,000 octets, so that many take several packets, with n in front.
func message(n uint32) []byte {
	b := make([]byte, 4+n*7919%2000)
	for i := range b {
		b[i] = byte(n) + byte(i)
	}
	binary.BigEndian.PutUint32(b, n)
	return b
}

// reader is the Sink of a receiver of messages. What is missing between those that it gets must have been reported lost.
type reader struct {
	x      *trial
	asm    receiver.Assembler
	host   Host
	next   uint32 // the message that is to come
	gap    bool   // packets were lost since the last
	got    int
	ended  bool
	finish func()
}

func (r *reader) Data(d receiver.Data) bool {
	p, ok := r.asm.Add(d)
	if !ok {
		return true
	}
	n := binary.BigEndian.Uint32(p)
	switch {
	case string(p) != string(message(n)):
		r.x.t.Errorf("%v: receiver %d: message %d is not what was sent", r.x.net.Elapsed(), r.host, n)
	case n < r.next, n > r.next && !r.gap:
		r.x.t.Errorf("%v: receiver %d: message %d, want %d", r.x.net.Elapsed(), r.host, n, r.next)
	}
	r.next, r.gap = n+1, false
	r.got++
	return true
}

func (r *reader) Lost(_, _ packet.SQN) {
	r.asm.Lost()
	r.gap = true
}

func (r *reader) End(end receiver.End, _ packet.Reset) {
	if r.ended = true; end != receiver.Finished {
		r.x.t.Errorf("%v: receiver %d: end: %v", r.x.net.Elapsed(), r.host, end)
	}
	r.finish()
}

// §9.2, §2.1: messages come whole, in order and once. Where the window has moved on before a receiver could be repaired, it is told;
// others are not disturbed.
func TestMessagesComeWholeOrAreReported(t *testing.T) {
	Seeds(t, 30, func(t *testing.T, rng *rand.Rand) {
		const messages = 300
		x := newTrial(t, rng)
		m := source.NewMemory(source.MemoryConfig{First: 1<<32 - 500, MaxTSDU: tsduLen, Keep: 300 * time.Millisecond, Backlog: 64 << 10})
		k := x.talk(Root, &Link{}, talk{first: 1<<32 - 500, rate: 1_000_000, store: m})
		written := uint32(0)
		var write func()
		write = func() {
			for range rng.IntN(8) {
				if written == messages {
					break
				}
				switch err := m.WriteAPDU(message(written)); {
				case err == nil:
					written++
				case !errors.Is(err, source.ErrFull):
					t.Fatal(err)
				}
			}
			k.Wake(x.net.Now())
			if written == messages {
				k.Close(x.net.Now())
			} else {
				x.net.After(time.Duration(rng.IntN(20))*time.Millisecond, write)
			}
			x.net.Wake(k.host)
		}
		write()
		var readers []*reader
		open := 0
		for i := range 6 {
			link := &Link{Delay: time.Millisecond, Loss: 0.02, Reorder: 0.02}
			h := x.net.Host(Root, link, link)
			if i == 0 { // one is away for longer than the window lasts
				x.net.After(300*time.Millisecond, func() { x.net.Cut(h, true) })
				x.net.After(900*time.Millisecond, func() { x.net.Cut(h, false) })
			}
			open++
			r := &reader{x: x, host: h, finish: func() {
				if open--; open == 0 {
					x.net.Halt()
				}
			}}
			readers = append(readers, r)
			e, err := receiver.New(receiver.Config{
				Dest: Group.Port(), Group: Group, Rand: x.net.Rand(),
				Accept: func(time.Time, *receiver.Session) receiver.Sink { return r },
			})
			if err != nil {
				t.Fatal(err)
			}
			x.net.Start(h, e)
		}
		if !x.net.Run(time.Minute) {
			t.Fatalf("%d receivers have not ended", open)
		}
		for i, r := range readers {
			if i > 0 && r.got != messages {
				t.Errorf("receiver %d, which was there all the time, got %d of %d messages", r.host, r.got, messages)
			}
		}
		if got := readers[0].got; got == messages || got < messages/4 {
			t.Errorf("the receiver that was away got %d of %d messages", got, messages)
		}
	})
}

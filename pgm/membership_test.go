package pgm

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
)

// register writes down who joins and leaves.
type register struct {
	mu   sync.Mutex
	news []string
	errs map[packet.TSI]error
}

// watch has r told by what is opened with c.
func (r *register) watch(c ListenConfig) ListenConfig {
	r.errs = map[packet.TSI]error{}
	note := func(format string, args ...any) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.news = append(r.news, fmt.Sprintf(format, args...))
	}
	c.Joined = func(source Addr, fromStart bool) { note("%v joined, from its start: %v", source.TSI, fromStart) }
	c.Left = func(source Addr, err error) {
		note("%v left", source.TSI)
		r.errs[source.TSI] = err
	}
	return c
}

// A bus tells who joins, and whether with his first message; and who leaves, and how: properly, by a reset with its code, or by silence.
func TestBusTellsWhoJoinsAndLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		source := func(i int, message string) *Conn {
			c := dial(t, host(Config{}, m, fmt.Sprintf("192.0.2.%d", i)), inMemory)
			if _, err := c.WriteMessage([]byte(message)); err != nil {
				t.Fatal(err)
			}
			return c
		}
		early := source(1, "gone before anybody listens")
		time.Sleep(5 * time.Second) // TXW_SECS is 2 s
		var r register
		bus := join(t, r.watch(ListenConfig{Config: host(Config{Receiver: ReceiverConfig{PeerExpiry: 10 * time.Second}}, m, "192.0.2.9")}))
		early.WriteMessage([]byte("late"))
		time.Sleep(time.Second)
		closed := source(2, "closed")
		time.Sleep(time.Second)
		closed.Close()
		time.Sleep(time.Second) // or both would happen at one instant, in any order
		reset := source(3, "reset")
		time.Sleep(time.Second)
		reset.Reset(42)
		time.Sleep(time.Second)
		silent := source(4, "silent")
		time.Sleep(time.Second)
		silent.writer.sender.CloseNow()
		time.Sleep(20 * time.Second)
		bus.SetReadDeadline(time.Now().Add(time.Second))
		for _, want := range []string{"late", "closed", "reset", "silent"} {
			b := make([]byte, 32)
			if n, _, err := bus.ReadFrom(b); string(b[:n]) != want || err != nil {
				t.Errorf("read %q, %v; want %q", b[:n], err, want)
			}
		}
		early.Close()
		bus.Close()
		synctest.Wait()
		want := []string{
			early.TSI().String() + " joined, from its start: false",
			closed.TSI().String() + " joined, from its start: true",
			closed.TSI().String() + " left",
			reset.TSI().String() + " joined, from its start: true",
			reset.TSI().String() + " left",
			silent.TSI().String() + " joined, from its start: true",
			silent.TSI().String() + " left",
		}
		if !slices.Equal(r.news, want) {
			t.Errorf("got\n%v\nwant\n%v", r.news, want)
		}
		var code *ResetError
		if err := r.errs[reset.TSI()]; !errors.As(err, &code) || code.Code != 42 || !errors.Is(err, ErrReset) {
			t.Errorf("the reset is told as %v", err)
		}
		if a, b := r.errs[closed.TSI()], r.errs[silent.TSI()]; a != io.EOF || b != ErrExpired {
			t.Errorf("the end is told as %v, the silence as %v; want io.EOF and ErrExpired", a, b)
		}
	})
}

// What a socket heard by unicast is passed on to the neighbourhood where RFC 3208 wants it to be; what came to the group is not (15.3.2-11).
func TestUnicastNCFIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		group := netip.MustParseAddrPort(inMemory)
		here, upstream := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.1")
		l := listen(t, host(Config{}, m, here.String()), inMemory)
		out := dial(t, host(Config{}, m, upstream.String()), inMemory)
		accept(t, l)
		element := m.Open(netio.Config{Group: group}, netip.MustParseAddrPort("192.0.2.3:7500"))
		defer element.Close()
		ncf := nak.Append(nil, packet.Downstream(packet.TypeNCF, out.TSI(), group.Port()), &nak.Packet{
			SQN: 1, Source: upstream, Group: group.Addr(), Extra: poll.AppendPath(poll.AppendUnreachable(nil), upstream),
		})
		for _, tt := range []struct {
			to   netip.AddrPort
			want uint64
		}{{group, 0}, {netip.AddrPortFrom(here, group.Port()), 1}, {group, 1}} {
			if _, err := element.WriteBatch([]netio.Message{{To: tt.to, Data: ncf}}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			if st := l.Stats(); st.Copies != tt.want || st.Silences == 0 {
				t.Errorf("an NCF with OPT_NBR_UNREACH to %v: %d copies in all, %d silences; want %d copies", tt.to, st.Copies, st.Silences, tt.want)
			}
		}
	})
}

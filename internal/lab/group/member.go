//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/vsync"
)

// load is what one member is to do.
type load struct {
	endpoint string
	index    int // of this member; it sends if it is less than senders
	members  int
	senders  int
	size     int           // octets of a message
	rate     int           // messages a second; 0: as many as go
	time     time.Duration // for which it sends
	order    vsync.Order
	safe     bool
	batch    int
	expect   int  // how many found the group; 0: a majority
	rejoin   bool // only watch: say when views come, until killed
}

// flags lets a command line say what the load is.
func (l *load) flags(fs *flag.FlagSet, order *string) {
	fs.IntVar(&l.index, "member", -1, "be this member of a group: for the lab itself")
	fs.StringVar(&l.endpoint, "e", "epgm://239.192.77.90:7590", "endpoint")
	fs.IntVar(&l.members, "members", 4, "members of the group")
	fs.IntVar(&l.senders, "senders", 4, "how many of them send")
	fs.IntVar(&l.size, "size", 64, "octets of a message: for the lab itself")
	fs.IntVar(&l.rate, "rate", 0, "messages a second of each; 0: as many as go: for the lab itself")
	fs.DurationVar(&l.time, "time", 3*time.Second, "how long to send; the first second is not counted")
	fs.StringVar(order, "order", "total", "fifo, causal, total or token")
	fs.IntVar(&l.batch, "batch", 0, "octets of a packet of messages; 0: the default")
	fs.IntVar(&l.expect, "expect", 0, "members that found the group; 0: a majority")
	fs.BoolVar(&l.safe, "safe", false, "safe delivery")
	fs.BoolVar(&l.rejoin, "watch", false, "only say when views come: for the lab itself")
}

// args is what the flags are for l.
func (l *load) args() []string {
	return []string{"-member", fmt.Sprint(l.index), "-e", l.endpoint, "-members", fmt.Sprint(l.members), "-senders", fmt.Sprint(l.senders),
		"-size", fmt.Sprint(l.size), "-rate", fmt.Sprint(l.rate), "-time", l.time.String(), "-order", l.order.String(), "-batch", fmt.Sprint(l.batch),
		"-expect", fmt.Sprint(l.expect), fmt.Sprintf("-safe=%v", l.safe), fmt.Sprintf("-watch=%v", l.rejoin)}
}

// figures is what one member measured. The rate is that of the time in which all send, without its first second.
type figures struct {
	Rate    float64 `json:"rate"` // messages a second, received
	MBs     float64 `json:"mbs"`
	Count   int     `json:"count"`
	Order   uint64  `json:"order"` // a digest of the sequence received
	CPU     float64 `json:"cpu"`   // seconds
	P50     int     `json:"p50_us,omitempty"`
	P99     int     `json:"p99_us,omitempty"`
	Longest int     `json:"max_us,omitempty"`
	Batches uint64  `json:"batches"`
	Drops   uint64  `json:"drops"`   // datagrams that the sockets had no room for
	Repairs uint64  `json:"repairs"` // packets that came as repairs
	Removed int     `json:"removed"` // members that the views say are gone
}

const (
	typeStart = iota + 1
	typeData
	typeDone
)

// headLen is what each message begins with: type, sender, number, time.
const headLen = 24

func head(b []byte, kind, index int, n uint64, at int64) {
	binary.LittleEndian.PutUint32(b, uint32(kind))
	binary.LittleEndian.PutUint32(b[4:], uint32(index))
	binary.LittleEndian.PutUint64(b[8:], n)
	binary.LittleEndian.PutUint64(b[16:], uint64(at))
}

// clock is one that the processes of a host share.
func clock() int64 { return time.Now().UnixNano() }

// member joins the group, does what l says and writes its figures.
func member(ctx context.Context, l load, out io.Writer) error {
	expect := l.expect
	if expect == 0 {
		expect = l.members/2 + 1
	}
	g, err := vsync.Join(ctx, vsync.Config{
		Endpoint: l.endpoint, Group: "lab", Order: l.order, Safe: l.safe, Batch: l.batch, Expect: min(l.members, expect),
		PGM: pgm.Config{Rate: -1, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))},
	})
	if err != nil {
		return err
	}
	defer g.Close()
	if l.rejoin {
		return watch(ctx, g, out)
	}
	var f figures
	var lat []int
	var started int64
	var inside, done int
	begin := make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if l.index < l.senders {
		go func() {
			<-begin
			if err := send(ctx, g, l); err != nil && !errors.Is(err, context.Canceled) {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
	told := false
	for e, err := range g.Events(ctx) {
		if err != nil {
			return err
		}
		switch e := e.(type) {
		case *vsync.View:
			f.Removed += len(e.Left)
			for _, d := range e.Left {
				fmt.Fprintf(os.Stderr, "member %d: %v %v, for %v\n", l.index, d.ID, d.Why, d.Silent)
			}
			if len(e.Members) == l.members && e.Members[0].ID == g.ID() && !told {
				told = true
				go func() {
					time.Sleep(300 * time.Millisecond)
					b := make([]byte, headLen)
					head(b, typeStart, l.index, 0, clock())
					_ = g.Send(ctx, b)
				}()
			}
		case *vsync.Message:
			switch now := clock(); binary.LittleEndian.Uint32(e.Data) {
			case typeStart:
				if started == 0 {
					started = now
					close(begin)
				}
			case typeDone:
				done++
			default:
				f.Count++
				if since := time.Duration(now - started); since >= time.Second && since < l.time {
					inside++
				}
				f.Order = (f.Order^uint64(e.From))*1099511628211 ^ e.Number
				if l.rate > 0 {
					lat = append(lat, int(now-int64(binary.LittleEndian.Uint64(e.Data[16:])))/1000)
				}
			}
		}
		if done == l.senders {
			break
		}
	}
	f.Rate = float64(inside) / (l.time - time.Second).Seconds()
	f.MBs = f.Rate * float64(l.size) / 1e6
	if slices.Sort(lat); len(lat) > 0 {
		f.P50, f.P99, f.Longest = lat[len(lat)/2], lat[len(lat)*99/100], lat[len(lat)-1]
	}
	_, rs := g.SessionStats()
	f.Batches, f.Drops, f.Repairs = g.Stats().Batches, rs.Socket.Drops, rs.RDATA
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err == nil {
		f.CPU = time.Duration(ru.Utime.Nano() + ru.Stime.Nano()).Seconds()
	}
	if err := json.NewEncoder(out).Encode(f); err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond) // others may still need what this member has
	return nil
}

// send sends what l says.
func send(ctx context.Context, g *vsync.Group, l load) error {
	b := make([]byte, max(l.size, headLen))
	begin := time.Now()
	next := begin
	for n := uint64(0); time.Since(begin) < l.time; n++ {
		if l.rate > 0 {
			next = next.Add(time.Second / time.Duration(l.rate))
			time.Sleep(time.Until(next))
		}
		head(b, typeData, l.index, n, clock())
		if err := g.Send(ctx, b); err != nil {
			return err
		}
	}
	head(b, typeDone, l.index, 0, 0)
	return g.Send(ctx, b[:headLen])
}

// watch writes a line for each view: when it came, by the clock of the host, and how many members it has.
func watch(ctx context.Context, g *vsync.Group, out io.Writer) error {
	for e, err := range g.Events(ctx) {
		if err != nil {
			return err
		}
		if v, ok := e.(*vsync.View); ok {
			fmt.Fprintf(out, "%d %d %d\n", clock(), len(v.Members), v.Blocked.Microseconds())
		}
	}
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"text/tabwriter"
	"time"

	"github.com/gopgm/gopgm/pgm/element"
)

// status is what --show prints, and the metrics are made of.
type status struct {
	Event    string                 `json:"event"` // "status"
	Group    string                 `json:"group"`
	Forward  string                 `json:"forward,omitempty"` // who forwards data: "kernel" or "user"
	Links    []linkStatus           `json:"links"`
	Sessions []sessionStatus        `json:"sessions"`
	Element  *element.Stats         `json:"element,omitempty"`
	Repairer *element.RepairerStats `json:"repairer,omitempty"`
	Legs     *hubStatus             `json:"legs,omitempty"`   // of all groups
	Kernel   []flowStatus           `json:"kernel,omitempty"` // what the kernel forwards

	KernelRefused uint64 `json:"kernel_refused,omitempty"` // packets and SPMs of sources that there is no room for in what it forwards
	KernelFailed  uint64 `json:"kernel_failed,omitempty"`  // entries that it did not take
}

type linkStatus struct {
	Name    string     `json:"name"`
	Address netip.Addr `json:"address"`
	Listens bool       `json:"listens"`
	Querier string     `json:"querier,omitempty"`
	Sent    uint64     `json:"sent"` // datagrams
	Heard   uint64     `json:"heard"`
	Failed  uint64     `json:"failed"`          // system calls to send
	Drops   uint64     `json:"drops"`           // datagrams that the kernel dropped before we read them
	Proxy   string     `json:"proxy,omitempty"` // what is reported upstream
	Leg     *legStatus `json:"leg,omitempty"`
}

type sessionStatus struct {
	TSI       string       `json:"tsi"`
	Source    netip.Addr   `json:"source"`
	Link      string       `json:"link"`
	Upstream  netip.Addr   `json:"upstream"`
	Lead      uint32       `json:"lead"`
	Repairs   int          `json:"repairs"`
	Repairers []netip.Addr `json:"repairers,omitempty"`
}

// status returns what the router knows. It is called by the goroutine that the engine belongs to.
func (r *router) status() *status {
	stats := r.engine.Stats()
	s := &status{Event: "status", Group: r.endpoint.String(), Forward: r.forwarder(), Element: &stats, Kernel: r.flowStatuses()}
	for _, l := range r.links {
		c := l.conn.Stats()
		v := linkStatus{
			Name: l.name, Address: l.conn.Local().Addr(), Listens: l.listens,
			Sent: c.WriteDatagrams, Heard: c.ReadDatagrams, Failed: c.WriteErrors, Drops: c.Drops,
		}
		if l.querier.IsValid() {
			v.Querier = l.querier.String()
		}
		if r.isProxied(l.name) {
			v.Proxy = r.proxy.String()
		}
		s.Links = append(s.Links, v)
	}
	if f := r.flows; f != nil {
		s.KernelRefused, s.KernelFailed = f.refused, f.failed
	}
	s.Legs = r.legStatus(s.Links)
	for _, p := range r.engine.Sessions() {
		s.Sessions = append(s.Sessions, sessionStatus{
			TSI: p.TSI.String(), Source: p.Source, Link: r.links[p.Interface].name, Upstream: p.Upstream, Lead: uint32(p.Lead),
			Repairs: p.Repairs, Repairers: p.Repairers,
		})
	}
	return s
}

// ask gets a status from the goroutine that has it.
func ask(ctx context.Context, asked chan<- chan *status) (*status, bool) {
	reply := make(chan *status, 1)
	select {
	case asked <- reply:
	case <-ctx.Done():
		return nil, false
	}
	select {
	case s := <-reply:
		return s, true
	case <-ctx.Done():
		return nil, false
	}
}

// askAll gets the status of all groups.
func askAll(ctx context.Context, asked []chan chan *status) (all []*status, ok bool) {
	for _, a := range asked {
		s, ok := ask(ctx, a)
		if !ok {
			return nil, false
		}
		all = append(all, s)
	}
	return all, true
}

// serveStatus answers on the status socket, with a line for each group, and serves metrics, as far as they are wanted, until ctx is done.
func serveStatus(ctx context.Context, o *options, asked []chan chan *status) error {
	if o.status != "" {
		if c, err := net.Dial("unix", o.status); err == nil {
			c.Close()
			return fmt.Errorf("another pgmrouter has the status socket %s: name another one with --status", o.status)
		}
		_ = os.Remove(o.status) // of one that was killed
		l, err := net.Listen("unix", o.status)
		if err != nil {
			return fmt.Errorf("status socket: %w (name another one with --status, or none: --status '')", err)
		}
		context.AfterFunc(ctx, func() { l.Close() })
		go acceptEach(l, func(c net.Conn) {
			c.SetDeadline(time.Now().Add(5 * time.Second))
			if all, ok := askAll(ctx, asked); ok {
				for e, i := json.NewEncoder(c), 0; i < len(all); i++ {
					_ = e.Encode(all[i])
				}
			}
			c.Close()
		})
	}
	if o.metrics == "" {
		return nil
	}
	l, err := net.Listen("tcp", o.metrics)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, q *http.Request) {
		all, ok := askAll(q.Context(), asked)
		if !ok {
			http.Error(w, "the router is busy", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		writeMetrics(w, all)
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { srv.Close() })
	go srv.Serve(l)
	return nil
}

// acceptEach gives the connections of a listener to serve, one at a time, until the listener is closed. An error that comes for another reason, such
// as that there is no descriptor left, lasts for a while: the next attempt is later each time, up to a second, as in net/http.
func acceptEach(l net.Listener, serve func(net.Conn)) {
	var wait time.Duration
	for {
		c, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			time.Sleep(wait)
		default:
			wait = 0
			serve(c)
		}
	}
}

// show prints what the running router knows.
func show(o *options, w io.Writer) error {
	c, err := net.Dial("unix", o.status)
	if err != nil {
		return fmt.Errorf("no pgmrouter answers: %w", err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if o.json {
		_, err := io.Copy(w, c)
		return err
	}
	for d, n := json.NewDecoder(c), 0; ; n++ {
		var s status
		if err := d.Decode(&s); err == io.EOF && n > 0 {
			return nil
		} else if err != nil {
			return fmt.Errorf("what pgmrouter says makes no sense: %w", err)
		}
		if n > 0 {
			fmt.Fprintln(w)
		}
		if err := s.print(w); err != nil {
			return err
		}
	}
}

// print writes s for people.
func (s *status) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\n\nlink\taddress\tlistens\tquerier\tsent\theard\tdrops\n", s.Group)
	for _, l := range s.Links {
		fmt.Fprintf(t, "%s\t%v\t%v\t%s\t%d\t%d\t%d\n", l.Name, l.Address, l.Listens, l.Querier+l.Proxy, l.Sent, l.Heard, l.Drops)
	}
	printLegs(s, func(format string, args ...any) { fmt.Fprintf(t, format, args...) })
	fmt.Fprintf(t, "\nsession\tsource\tlink\tupstream\tlead\trepairs\trepairers\n")
	for _, p := range s.Sessions {
		fmt.Fprintf(t, "%s\t%v\t%s\t%v\t%d\t%d\t%v\n", p.TSI, p.Source, p.Link, p.Upstream, p.Lead, p.Repairs, p.Repairers)
	}
	s.printFlows(t)
	if e := s.Element; e != nil {
		fmt.Fprintf(t, "\nNAKs\t%d heard, %d forwarded, %d repeated, %d eliminated\n", e.NAKs, e.Forwarded, e.Repeated, e.Eliminated)
		fmt.Fprintf(t, "NCFs\t%d sent, %d heard\n", e.NCFs, e.HeardNCFs)
		fmt.Fprintf(t, "forwarded\t%d ODATA, %d RDATA, %d SPMs\n", e.ODATA, e.RDATA, e.SPMs)
		fmt.Fprintf(t, "refused\t%+v\n", e.Bad)
	}
	if e := s.Repairer; e != nil {
		fmt.Fprintf(t, "\nrepairs\t%+v\n", *e)
	}
	return t.Flush()
}

package interop

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gopgm/gopgm/conformance"
	"github.com/gopgm/gopgm/pcap"
)

// host says whose capture is judged: a host is judged by what it sent and heard, which is what passed its own device.
type host struct {
	address netip.Addr
	source  bool
	lab
}

// findings judges the capture at a host and returns the findings about this host, each as "rule clause", with an example of each.
func (h host) findings(name string) (map[string]string, *conformance.Verdict, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	r, err := pcap.Open(f)
	if err != nil {
		return nil, nil, err
	}
	from := map[int]netip.Addr{} // by packet
	c := h.config()
	c.Limits.Findings = 1 << 16
	v, err := c.Check(func(p *pcap.Packet) error {
		err := r.Read(p)
		if err == nil {
			from[p.Number] = p.Src.Addr()
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	found := map[string]string{}
	for _, f := range v.Findings {
		if key := f.Rule + " " + f.Clause; found[key] == "" && h.owns(f, from[f.Packet]) {
			found[key] = fmt.Sprintf("packet %d: %s: %s", f.Packet, f.Seen, f.Demanded)
		}
	}
	return found, v, nil
}

// owns reports whether a finding is about the host. What is wrong in a packet is its sender's; what a side failed to send is found at
// a packet of the other side, and the clause says whose it is.
func (h host) owns(f conformance.Finding, from netip.Addr) bool {
	clause, _ := conformance.ClauseByID(f.Clause)
	source, receiver := slices.Contains(clause.Roles, "source"), slices.Contains(clause.Roles, "receiver")
	if chapter, _, _ := strings.Cut(clause.Section, "."); source == receiver || slices.Contains(formats, chapter) {
		return from == h.address
	}
	return source == h.source && (from == h.address || h.sourceAddress(from) != h.source)
}

// formats are the chapters of RFC 3208 about what is in a packet.
var formats = []string{"4", "8", "9"}

// sourceAddress reports whether the address is that of a source of the lab.
func (h host) sourceAddress(a netip.Addr) bool { return a != netip.MustParseAddr(address(0, h.family)) }

// config says what is known of the host: when its process gets its turn is not.
func (h host) config() conformance.Config {
	const late = 500 * time.Millisecond
	c := conformance.Config{Jitter: late}
	if !h.source {
		c.At = h.address
	}
	switch ours := h.whose() == "ours"; {
	case ours && h.source: // the defaults of pgm.SourceConfig
		c.Rate = h.rate / 8
		c.Depth = 1<<16 + int(late.Seconds()*float64(c.Rate))
		c.Ambient, c.IHBMin = time.Second, 10*time.Millisecond
	case ours: // of pgm.ReceiverConfig
		c.NAKRetries = 20
	}
	return c
}

// whose names what a list of findings is of.
func (h host) whose() string {
	if side := map[bool]string{true: "source", false: "receiver"}[h.source]; side == h.peerIs {
		return h.peer + "-" + side
	}
	return "ours"
}

// A list is the findings of a peer in one role, as testdata keeps them: a line each of rule, clause, the transport on which it is
// found ("any", "epgm" or "pgm", both IPv4 only), and whether in every lab in which there is an occasion ("always") or only by some timing or loss
// ("may").
type list map[string]expected

type expected struct {
	transport string
	always    bool
}

func listName(whose string) string { return filepath.Join("testdata", whose+".findings") }

func readList(whose string) (list, error) {
	l := list{}
	if whose == "ours" { // which has none, of all labs
		return l, nil
	}
	f, err := os.Open(listName(whose))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		w := strings.Fields(s.Text())
		if len(w) == 0 || strings.HasPrefix(w[0], "#") {
			continue
		}
		if len(w) != 4 {
			return nil, fmt.Errorf("%s: %q", f.Name(), s.Text())
		}
		l[w[0]+" "+w[1]] = expected{w[2], w[3] == "always"}
	}
	return l, nil
}

// compare says how what was found differs from the list.
func (l list) compare(found map[string]string, transport string) error {
	var errs []error
	for key, example := range found {
		if e, ok := l[key]; !ok || e.transport != "any" && e.transport != transport {
			errs = append(errs, fmt.Errorf("new: %s: %s", key, example))
		}
	}
	for key, e := range l {
		if e.always && (e.transport == "any" || e.transport == transport) && found[key] == "" {
			errs = append(errs, fmt.Errorf("not found: %s", key))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// judge judges the captures of a lab: this module's hosts yield no finding, the peer's those of its list.
func (x lab) judge(captures []string) error {
	var errs []error
	for i, name := range captures {
		h := host{netip.MustParseAddr(address(i, x.family)), i > 0, x}
		found, v, err := h.findings(name)
		if err == nil {
			var l list
			if l, err = readList(h.whose()); err == nil {
				err = l.compare(found, x.network())
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s, host %d: %w", h.whose(), i, err))
		}
		if v != nil && (v.Packets == 0 || v.Stopped != "") {
			errs = append(errs, fmt.Errorf("%s: %d packets %s", name, v.Packets, v.Stopped))
		}
	}
	return errors.Join(errs...)
}

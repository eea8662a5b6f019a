package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/pgm"
)

const usage = `Usage: pgmrouter [flags] -i INTERFACE -i INTERFACE...    forward a group between interfaces
       pgmrouter --repairer [flags] -i INTERFACE         repair for the neighbours on one
       pgmrouter --show                                  what the running one knows

A PGM network element: receivers send their NAKs to it, it forwards one for
many, and repairs go only where something is missing. It learns who listens by
MLD and IGMP, and is the querier on its interfaces if no other is.

  -e, --endpoint ENDPOINT the group: [epgm://|pgm://]GROUP[:PORT], in UDP or as
                          IP protocol 113 (default epgm://239.192.77.71:7500);
                          up to 64, of IPv4 and IPv6
  -i, --interface NAME    an interface to forward between, by name or address;
                          up to 32
      --leg HOST[:PORT]   the router of another site, which no multicast reaches
                          and whose --leg leads here; PORT 0 is any (default
                          7501). It is one more interface, of that name
      --leg-listen [A:]P  the address and port at which legs arrive (default
                          7501)
      --upstream NAME     the interface that sources are behind (default: what
                          the routing table says for each source)
      --proxy NAME        the interface upstream on which to report, as a host,
                          what the others want, and not to ask (RFC 4605); what
                          comes by the others is forwarded there always
      --listen NAME       forward there always, without asking who listens;
                          "all" means all
      --query-interval D  how often to ask who listens, as the querier of a link;
                          1s or more, the same on all of a link (default 125s)
      --ttl N             for what it sends itself, 1 to 255 (default 16)
      --discover DURATION how often to look for off-tree repairers when one is
                          needed and none known (default 30s; 0: never)
      --polls DURATION    how often to count the children on each interface
                          (default: not)
      --shed N            confirm no more than N packets a second for one child
                          (default: no limit)
      --nak-rpt-ivl D, --nak-rdata-ivl D, --nak-elim-ivl D
                          the intervals of RFC 3208 section 7 (default 100ms,
                          200ms, 15ms; for long distances 5s, 5s, 500ms)
      --forward WHO       who forwards data: "kernel", by its multicast routing,
                          for pgm:// over IPv4 only; "user", this program; "auto",
                          the kernel if it can (default auto)
      --repairer          be a designated local repairer: receive all sessions
                          of the group on one interface, and repair them
      --cache SIZE        what a repairer keeps of one session (default 64 MiB)
      --status PATH       the socket by which --show asks (default
                          /run/pgmrouter.sock; empty: none)
      --metrics ADDR      serve Prometheus metrics at http://ADDR/metrics
      --show              print what the running pgmrouter knows, and exit
      --json              with --show: as one JSON object
      --version           print the version and exit
  -h, --help              print this and exit

Sending under the address of a source needs CAP_NET_ADMIN; pgm:// and IGMP need
CAP_NET_RAW. What receivers send to the source itself is unicast, and passes if
the kernel forwards it (sysctl net.ipv4.ip_forward=1).

Exit status: 0 interrupted or terminated; 1 failure; 2 usage.
`

// options are the command line of pgmrouter.
type options struct {
	endpoints               []pgm.Endpoint
	interfaces, listen      []string
	legs                    []string
	legListen               string
	proxy                   string
	upstream                string
	ttl, shed, cache        int
	discover, polls, query  time.Duration
	repeat, data, eliminate time.Duration
	repairer                bool
	status, metrics         string
	forward                 string
	show, json              bool
	version, help           bool
}

func parseOptions(args []string) (*options, error) {
	var o options
	var endpoints []string
	f := console.NewFlags("pgmrouter")
	f.StringArrayVarP(&endpoints, "endpoint", "e", []string{pgm.DefaultEndpoint}, "")
	f.StringArrayVarP(&o.interfaces, "interface", "i", nil, "")
	f.StringArrayVar(&o.listen, "listen", nil, "")
	f.StringArrayVar(&o.legs, "leg", nil, "")
	f.StringVar(&o.legListen, "leg-listen", "7501", "")
	f.StringVar(&o.proxy, "proxy", "", "")
	f.StringVar(&o.upstream, "upstream", "", "")
	f.IntVar(&o.ttl, "ttl", 16, "")
	f.IntVar(&o.shed, "shed", 0, "")
	f.IntVar(&o.cache, "cache", 64<<20, "")
	f.DurationVar(&o.discover, "discover", 30*time.Second, "")
	f.DurationVar(&o.polls, "polls", 0, "")
	f.DurationVar(&o.query, "query-interval", 125*time.Second, "")
	f.DurationVar(&o.repeat, "nak-rpt-ivl", 0, "")
	f.DurationVar(&o.data, "nak-rdata-ivl", 0, "")
	f.DurationVar(&o.eliminate, "nak-elim-ivl", 0, "")
	f.StringVar(&o.forward, "forward", forwardAuto, "")
	f.BoolVar(&o.repairer, "repairer", false, "")
	f.StringVar(&o.status, "status", "/run/pgmrouter.sock", "")
	f.StringVar(&o.metrics, "metrics", "", "")
	f.BoolVar(&o.show, "show", false, "")
	f.BoolVar(&o.json, "json", false, "")
	f.BoolVar(&o.version, "version", false, "")
	f.BoolVarP(&o.help, "help", "h", false, "")
	if err := f.Parse(args); err != nil {
		return nil, errors.New(console.Complaint(err))
	}
	if o.help || o.version || o.show {
		return &o, nil
	}
	if err := o.parseEndpoints(endpoints); err != nil {
		return nil, err
	}
	if err := o.checkLegs(); err != nil {
		return nil, err
	}
	switch known := slices.Concat(o.interfaces, o.legs, []string{"all"}); {
	case f.NArg() > 0:
		return nil, fmt.Errorf("unexpected operand %q", f.Arg(0))
	case o.repairer && len(o.interfaces) != 1:
		return nil, errors.New("a repairer has one interface: -i INTERFACE")
	case !o.repairer && len(o.interfaces)+len(o.legs) < 2:
		return nil, errors.New("there must be two interfaces at least, or a leg: -i INTERFACE -i INTERFACE")
	case o.upstream != "" && (o.upstream == "all" || !slices.Contains(known, o.upstream)):
		return nil, fmt.Errorf("--upstream %s is none of the interfaces", o.upstream)
	case o.proxy != "" && (o.repairer || !slices.Contains(o.interfaces, o.proxy)):
		return nil, fmt.Errorf("--proxy %s is none of the interfaces of a router", o.proxy)
	case o.forward != forwardAuto && o.forward != forwardKernel && o.forward != forwardUser:
		return nil, fmt.Errorf("--forward %s is none of kernel, user and auto", o.forward)
	case o.forward == forwardKernel && (o.repairer || len(o.legs) > 0 || slices.ContainsFunc(o.endpoints, func(e pgm.Endpoint) bool { return e.Network != "pgm" || !e.Group.Addr().Is4() })):
		return nil, errors.New("--forward kernel is for routers of pgm:// over IPv4 without legs: the rest has to pass through this program")
	case o.ttl < 1 || o.ttl > 255:
		return nil, fmt.Errorf("--ttl %d is not in 1 to 255", o.ttl)
	case o.query < time.Second || o.query > time.Hour:
		return nil, fmt.Errorf("--query-interval %v is not in 1s to 1h", o.query)
	case o.shed < 0 || o.discover < 0 || o.polls < 0 || o.repeat < 0 || o.data < 0 || o.eliminate < 0 || o.cache < 1<<16:
		return nil, errors.New("an interval or number is negative, or the cache below 64 KiB")
	default:
		for _, l := range o.listen {
			if !slices.Contains(known, l) {
				return nil, fmt.Errorf("--listen %s is none of the interfaces", l)
			}
		}
	}
	return &o, nil
}

// checkLegs finds what is wrong with the flags of legs.
func (o *options) checkLegs() error {
	if o.repairer && len(o.legs) > 0 {
		return errors.New("a repairer has no legs: it is found over those of a router")
	}
	if len(o.legs) > 0 && len(o.interfaces) == 0 {
		return errors.New("there must be an interface: -i INTERFACE --leg HOST")
	}
	for i, name := range o.legs {
		if _, _, err := splitLeg(name); err != nil {
			return fmt.Errorf("--leg: %w", err)
		}
		if slices.Contains(o.legs[:i], name) || slices.Contains(o.interfaces, name) {
			return fmt.Errorf("--leg %s is there twice", name)
		}
	}
	return nil
}

// maxGroups is how many groups one process forwards: each has sockets of its own on each interface.
const maxGroups = 64

// parseEndpoints takes the groups. Two that differ in the port only would be one to IP, and in raw PGM are.
func (o *options) parseEndpoints(texts []string) error {
	if len(texts) > maxGroups {
		return fmt.Errorf("%d endpoints; there may be %d", len(texts), maxGroups)
	}
	for _, text := range texts {
		e, err := pgm.ParseEndpoint(text)
		if err != nil {
			return err
		}
		if e.Interface != "" {
			return errors.New("the interfaces are named by -i, not in the endpoint")
		}
		if a := e.Group.Addr(); !o.repairer && (a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast()) {
			return fmt.Errorf("%v is a group of one link, and no router forwards it", a)
		}
		if slices.ContainsFunc(o.endpoints, func(f pgm.Endpoint) bool {
			return e.Network == f.Network && e.Group.Addr() == f.Group.Addr() && (e.Network == "pgm" || e.Group.Port() == f.Group.Port())
		}) {
			return fmt.Errorf("the group of %s is there twice", text)
		}
		o.endpoints = append(o.endpoints, e)
	}
	return nil
}

package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/pgm"
)

const usage = `Usage: pgmsend [flags] PATH...    send files and trees to all who run pgmrecv
       pgmsend [flags] -          send standard input as a stream of octets
       pgmsend [flags] --lines -  send each line of standard input as a message

Each octet crosses the network once, however many hosts receive it; what a host
misses is repaired, and every copy is verified.

  -e, --endpoint ENDPOINT where to send:
                          [epgm://|pgm://][INTERFACE;]GROUP[:PORT], in UDP or as
                          IP protocol 113, the interface by name or address
                          (default epgm://239.192.77.71:7500)
      --cc HOW            how the rate is found: auto, as fast as the network
                          and the slowest receiver take it; fixed, at --rate;
                          pgmcc, as OpenPGM has it (default auto, and fixed
                          for --one-way)
      --rate RATE         send at most RATE bits a second, repairs and headers
                          included, e.g. 490M or 2.5G (default: no limit; with
                          --cc fixed nine tenths of the interface's speed, or
                          1G if the system does not tell it)
      --slow WHAT         what becomes of a receiver that holds up the others:
                          wait for it; shed it; or demote it, so that it has the
                          rest when the others have everything (default wait)
      --ttl N             let packets pass N-1 routers, 1 to 255 (default 16)
      --mtu OCTETS        send no larger IP packets than this (default: what
                          the interface carries)
      --expect N          wait for N receivers before sending, and until they
                          have finished. Those that write to standard output
                          do not report
      --expect-from LIST  likewise for the receivers named, separated by commas
      --timeout DURATION  how long to wait for them to begin, and how long one
                          may fall silent, e.g. 30s or 5m (default 30s)
      --linger DURATION   how long to repair, at the end, for receivers that
                          have not said that they are there (default 2s)
      --fec PARITY        parity packets, of which each repairs another loss at
                          every receiver: auto (as many as receivers ask for,
                          once that pays), off, or k=64,proactive=8: to every
                          64 packets 8 unasked, and more when asked (default
                          auto for files, off for streams and messages)
      --one-way           no receiver can answer: send all again and again,
                          with other parity each time (8 to every 64 packets,
                          unless --fec says otherwise)
      --rounds N          with --one-way, how often in all (default: until
                          interrupted)
      --querier           ask on the link who listens (MLD and IGMP), if no
                          router or switch does: without anybody who asks,
                          switches that snoop end a session after some four
                          minutes. Needs CAP_NET_RAW
      --capture FILE      write what is sent and received to FILE, as pcapng
      --lines             send each line of standard input as one message
      --progress MODE     auto (bars on a terminal), plain (a line a second),
                          none
      --json              report on standard output, one JSON object a line
  -v, --verbose           say more
      --version           print the version and exit
  -h, --help              print this and exit

Exit status: 0 all sent, and all expected receivers have it; 1 failure; 2 usage;
4 session reset; 5 not every expected receiver finished; 130 interrupted.
`

// options are the command line of pgmsend.
type options struct {
	endpoint   pgm.Endpoint
	rate       console.RateFlag
	cc         pgm.CC
	slow       pgm.Slow
	ttl        int
	mtu        int
	expect     int
	expectFrom []string
	timeout    time.Duration
	linger     time.Duration
	fec        pgm.FEC
	oneWay     bool
	rounds     int
	querier    bool
	capture    string
	trace      func(pgm.Traced) // nil: there is no capture
	lines      bool
	progress   console.Mode
	json       bool
	verbose    bool
	version    bool
	help       bool
	paths      []string
}

// stream reports whether standard input is sent.
func (o *options) stream() bool { return len(o.paths) == 1 && o.paths[0] == "-" }

func parseOptions(args []string) (*options, error) {
	var o options
	var endpoint, progress, from, parity, cc, slow string
	f := console.NewFlags("pgmsend")
	f.StringVarP(&endpoint, "endpoint", "e", pgm.DefaultEndpoint, "")
	f.Var(&o.rate, "rate", "")
	f.StringVar(&cc, "cc", "auto", "")
	f.StringVar(&slow, "slow", "wait", "")
	f.IntVar(&o.ttl, "ttl", 0, "")
	f.IntVar(&o.mtu, "mtu", 0, "")
	f.IntVar(&o.expect, "expect", 0, "")
	f.StringVar(&from, "expect-from", "", "")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "")
	f.DurationVar(&o.linger, "linger", 2*time.Second, "")
	f.StringVar(&parity, "fec", "auto", "")
	f.BoolVar(&o.oneWay, "one-way", false, "")
	f.IntVar(&o.rounds, "rounds", 0, "")
	f.BoolVar(&o.querier, "querier", false, "")
	f.StringVar(&o.capture, "capture", "", "")
	f.BoolVar(&o.lines, "lines", false, "")
	f.StringVar(&progress, "progress", "auto", "")
	f.BoolVar(&o.json, "json", false, "")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "")
	f.BoolVar(&o.version, "version", false, "")
	f.BoolVarP(&o.help, "help", "h", false, "")
	if err := f.Parse(args); err != nil {
		return nil, errors.New(console.Complaint(err))
	}
	if o.help || o.version {
		return &o, nil
	}
	o.paths = f.Args()
	var err error
	if endpoint == "" {
		return nil, errors.New("--endpoint: empty; leave it out for the default")
	}
	if o.endpoint, err = pgm.ParseEndpoint(endpoint); err != nil {
		return nil, err
	}
	if o.endpoint.Source.IsValid() {
		return nil, fmt.Errorf("--endpoint: the source %v is for receivers to choose: leave it out", o.endpoint.Source)
	}
	if o.progress, err = console.ParseMode(progress); err != nil {
		return nil, fmt.Errorf("--progress: %w", err)
	}
	for _, name := range strings.Split(from, ",") {
		if name = strings.TrimSpace(name); name != "" {
			o.expectFrom = append(o.expectFrom, name)
		}
	}
	if o.stream() && !f.Changed("fec") {
		parity = "off"
	}
	if o.fec, err = parseFEC(parity, o.oneWay); err != nil {
		return nil, fmt.Errorf("--fec: %w", err)
	}
	if o.cc, err = parseCC(cc); err != nil {
		return nil, fmt.Errorf("--cc: %w", err)
	}
	if o.slow, err = parseSlow(slow); err != nil {
		return nil, fmt.Errorf("--slow: %w", err)
	}
	if o.oneWay && !f.Changed("cc") {
		o.cc = pgm.CCFixed
	}
	switch {
	case o.oneWay && o.cc != pgm.CCFixed:
		return nil, errors.New("--cc needs answers, and with --one-way there are none")
	case o.slow != pgm.SlowWait && o.cc == pgm.CCFixed:
		return nil, errors.New("--slow needs --cc auto or --cc pgmcc: at a fixed rate nobody holds up the others")
	case o.slow == pgm.SlowDemote && o.stream():
		return nil, errors.New("--slow demote is for files: what is sent of a stream is not kept")
	case len(o.paths) == 0:
		return nil, errors.New("nothing to send: name files or directories, or - for standard input")
	case f.Changed("ttl") && (o.ttl < 1 || o.ttl > 255):
		return nil, fmt.Errorf("--ttl %d: want 1 to 255", o.ttl)
	case f.Changed("mtu") && (o.mtu < 576 || o.mtu > 65535):
		return nil, fmt.Errorf("--mtu %d: want 576 to 65535", o.mtu)
	case o.expect < 0:
		return nil, fmt.Errorf("--expect %d: want the number of receivers", o.expect)
	case o.timeout <= 0:
		return nil, fmt.Errorf("--timeout %v: want a duration above zero", o.timeout)
	case o.linger < 0:
		return nil, fmt.Errorf("--linger %v: want a duration", o.linger)
	case o.rounds < 0 || f.Changed("rounds") && o.rounds == 0:
		return nil, fmt.Errorf("--rounds %d: want how often to send", o.rounds)
	case f.Changed("rounds") && !o.oneWay:
		return nil, errors.New("--rounds is for --one-way: otherwise receivers ask for what they miss")
	case o.oneWay && o.stream():
		return nil, errors.New("--one-way is for files: standard input cannot be sent again")
	case o.oneWay && (o.expect > 0 || o.expectFrom != nil):
		return nil, errors.New("--expect and --expect-from wait for answers, and with --one-way there are none")
	case o.lines && !o.stream():
		return nil, errors.New("--lines sends standard input: the one operand is -")
	case o.stream() && (o.expect > 0 || o.expectFrom != nil):
		return nil, errors.New("--expect and --expect-from are for files: the receivers of a stream do not report")
	}
	for _, p := range o.paths {
		if p == "-" && len(o.paths) > 1 {
			return nil, errors.New("- (standard input) cannot be sent together with files")
		}
		if p == "" {
			return nil, errors.New("an empty path names nothing")
		}
	}
	if err := console.CheckCapture(o.capture, f.Changed("capture")); err != nil {
		return nil, err
	}
	if o.linger == 0 {
		o.linger = -1 // for the library, zero is the default
	}
	return &o, nil
}

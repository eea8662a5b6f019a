package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/pgm"
)

const usage = `Usage: pgmrecv [flags]                receive files into the current directory
       pgmrecv [flags] --stdout       write what is received to standard output
       pgmrecv [flags] --lines        write each message received as a line
       pgmrecv -r CAPTURE [flags]     the same, from a capture
       pgmrecv -r CAPTURE --check     judge a capture by RFC 3208
       pgmrecv --doctor               say what is wrong with the path to here

  -e, --endpoint ENDPOINT where to listen:
                          [epgm://|pgm://][INTERFACE;]GROUP[,SOURCE][:PORT], in
                          UDP or as IP protocol 113, the interface by name or
                          address (default epgm://239.192.77.71:7500). With -r,
                          which sessions to take (default: all)
  -d, --dir DIR           put files beneath DIR (default .). A file appears
                          under its name when its digest has been verified;
                          until then it is hidden. What is cut short is
                          taken up where it stopped
      --stdout            write the stream of one source after the other to
                          standard output, or the content of its files, in
                          order. The sender is told nothing of it
      --lines             write the messages of all sources to standard output,
                          a line each
  -r, --replay CAPTURE    deliver what is in a pcap or pcapng file, - for
                          standard input, instead of listening: all of its
                          files, or its streams or messages
      --check             say which clauses of RFC 3208 the capture shows to be
                          broken. Delivers nothing, unless --dir, --stdout or
                          --lines says so; then the verdict goes to standard
                          error
      --doctor            listen for --timeout (default 10s), receive nothing,
                          and say what is wrong with the path: no querier, the
                          wrong port, a firewall, a TTL too small, fragments,
                          packets damaged or dropped, and more. Exit status 1
                          if something is. It sees more with CAP_NET_RAW
      --capture FILE      write what is sent and received to FILE, as pcapng
      --once              exit when one session has ended
      --timeout DURATION  how long to wait for a session to begin, and for one
                          that has fallen silent, e.g. 30s or 5m (default: for
                          ever, and 30s)
      --name NAME         how to call this receiver in its reports to the
                          sender (default: the name of the host)
      --one-way           send nothing: the sender could not hear it. One that
                          sends with --one-way says so itself, but what is
                          missed before that would be asked for
      --drop SHARE        discard this share of what arrives, at random, e.g.
                          2% or 0.02: to see losses repaired
      --progress MODE     auto (bars on a terminal), plain (a line a second),
                          none
      --json              report one JSON object a line: on standard output, or
                          on standard error if that has the data
  -v, --verbose           say more
      --version           print the version and exit
  -h, --help              print this and exit

Exit status: 0 all received; 1 failure; 2 usage; 3 data lost beyond repair;
4 session reset by the sender; 130 interrupted. With -r, 1 is also for a
capture that cannot be read to its end or has no PGM, and, with --check, for
one that shows a MUST or a RULE broken; a session that the capture has only
in part is no failure of its own, but for files.
`

// options are the command line of pgmrecv.
type options struct {
	endpoint pgm.Endpoint
	selected bool // the endpoint was given
	dir      string
	dirGiven bool
	replay   string
	check    bool
	doctor   bool
	capture  string
	trace    func(pgm.Traced) // nil: there is no capture
	stdout   bool
	lines    bool
	once     bool
	timeout  time.Duration
	name     string
	oneWay   bool
	drop     float64
	progress console.Mode
	json     bool
	verbose  bool
	version  bool
	help     bool
}

func parseOptions(args []string) (*options, error) {
	var o options
	var endpoint, progress, drop string
	f := console.NewFlags("pgmrecv")
	f.StringVarP(&endpoint, "endpoint", "e", pgm.DefaultEndpoint, "")
	f.StringVarP(&o.dir, "dir", "d", ".", "")
	f.BoolVar(&o.stdout, "stdout", false, "")
	f.BoolVar(&o.lines, "lines", false, "")
	f.StringVarP(&o.replay, "replay", "r", "", "")
	f.BoolVar(&o.check, "check", false, "")
	f.BoolVar(&o.doctor, "doctor", false, "")
	f.StringVar(&o.capture, "capture", "", "")
	f.BoolVar(&o.once, "once", false, "")
	f.DurationVar(&o.timeout, "timeout", 0, "")
	f.StringVar(&o.name, "name", "", "")
	f.BoolVar(&o.oneWay, "one-way", false, "")
	f.StringVar(&drop, "drop", "0", "")
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
	var err error
	if endpoint == "" {
		return nil, errors.New("--endpoint: empty; leave it out for the default")
	}
	if o.endpoint, err = pgm.ParseEndpoint(endpoint); err != nil {
		return nil, err
	}
	if o.progress, err = console.ParseMode(progress); err != nil {
		return nil, fmt.Errorf("--progress: %w", err)
	}
	if o.drop, err = parseShare(drop); err != nil {
		return nil, fmt.Errorf("--drop: %w", err)
	}
	switch {
	case f.NArg() > 0:
		return nil, fmt.Errorf("%q: pgmrecv takes no operands; --dir says where files go", f.Arg(0))
	case o.timeout < 0 || f.Changed("timeout") && o.timeout == 0:
		return nil, fmt.Errorf("--timeout %v: want a duration above zero", o.timeout)
	case o.stdout && f.Changed("dir"), o.lines && f.Changed("dir"):
		return nil, errors.New("--dir is for files, --stdout and --lines write to standard output: choose one")
	case o.stdout && o.lines:
		return nil, errors.New("--stdout is for a stream, --lines for messages: choose one")
	case o.dir == "":
		return nil, errors.New("--dir: an empty path names nothing")
	case len(o.name) > 255:
		return nil, errors.New("--name: at most 255 octets")
	case f.Changed("replay") && o.replay == "":
		return nil, errors.New("--replay: an empty path names nothing")
	case o.check && o.replay == "":
		return nil, errors.New("--check judges a capture: name one with -r")
	}
	if o.doctor {
		for _, name := range []string{"dir", "stdout", "lines", "replay", "check", "capture", "once", "name", "one-way", "drop"} {
			if f.Changed(name) {
				return nil, fmt.Errorf("--doctor receives nothing: leave --%s out", name)
			}
		}
	}
	o.selected, o.dirGiven = f.Changed("endpoint"), f.Changed("dir")
	if err := console.CheckCapture(o.capture, f.Changed("capture")); err != nil {
		return nil, err
	}
	if o.replay == "" {
		return &o, nil
	}
	for _, name := range []string{"capture", "once", "name", "one-way", "drop"} {
		if f.Changed(name) {
			return nil, fmt.Errorf("--%s is for listening, and -r reads a capture: choose one", name)
		}
	}
	if o.endpoint.Interface != "" && o.selected {
		return nil, fmt.Errorf("--endpoint: a capture does not know the interface %s: leave it out", o.endpoint.Interface)
	}
	return &o, nil
}

// parseShare reads a share of one: "2%", "0.02".
func parseShare(s string) (float64, error) {
	text, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if percent {
		v /= 100
	}
	if err != nil || math.IsNaN(v) || v < 0 || v >= 1 {
		return 0, fmt.Errorf("%q is not a share: want 2%% or 0.02, below 100%%", s)
	}
	return v, nil
}

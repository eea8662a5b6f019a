// Zeromq talks with programs that use ZeroMQ over multicast: it publishes each line of its standard input to SUB sockets, or
// prints each message of PUB sockets as a line, its frames with a space between them.
//
//	go run ./examples/zeromq sub "epgm://eth0;239.192.0.1:7500"      a PUB: zmq_connect(pub, "epgm://eth0;239.192.0.1:7500")
//	go run ./examples/zeromq pub "epgm://eth0;239.192.0.1:7500"      a SUB: zmq_connect(sub, "epgm://eth0;239.192.0.1:7500")
package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/gopgm/gopgm/pgm"
)

func main() {
	rate := flag.Int("rate", 0, "bits a second to publish with at most; 0: nine tenths of the interface's")
	flag.Parse()
	endpoint := pgm.DefaultEndpoint
	if flag.NArg() > 1 {
		endpoint = flag.Arg(1)
	}
	var err error
	switch flag.Arg(0) {
	case "pub":
		err = publish(os.Stdin, endpoint, *rate)
	case "sub":
		err = subscribe(os.Stdout, endpoint)
	default:
		err = fmt.Errorf("%q is neither pub nor sub", flag.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "zeromq:", err)
		os.Exit(1)
	}
}

// publish sends lines. ZeroMQ takes no fragments: what it gets are messages of one packet each, with whatever fits.
func publish(in io.Reader, endpoint string, rate int) error {
	c := pgm.ListenConfig{Config: pgm.Config{Rate: rate}}
	conn, err := c.ListenPacket(context.Background(), "", endpoint)
	if err != nil {
		return err
	}
	e := encoder{max: conn.MaxPacket()}
	lines := bufio.NewReaderSize(in, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			e.add(bytes.TrimSuffix(line, []byte("\n")))
		}
		// A batch waits for another line only if that is there already.
		if next, _ := lines.Peek(lines.Buffered()); err == nil && bytes.IndexByte(next, '\n') >= 0 {
			continue
		}
		for batch := e.next(); batch != nil; batch = e.next() {
			if _, err := conn.Write(batch); err != nil {
				return err
			}
		}
		if err == io.EOF {
			// What was written last may still be asked for.
			return conn.CloseWait(context.Background())
		} else if err != nil {
			return err
		}
	}
}

// subscribe prints messages. Each PUB has a stream of its own.
func subscribe(out io.Writer, endpoint string) error {
	conn, err := pgm.ListenPacket("", endpoint)
	if err != nil {
		return err
	}
	defer conn.Close()
	publishers := map[net.Addr]*decoder{}
	w := bufio.NewWriter(out)
	buf := make([]byte, 1<<16)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		d := publishers[from]
		if d == nil {
			d = &decoder{}
			publishers[from] = d
		}
		err = d.add(buf[:n], func(frames [][]byte) {
			w.Write(bytes.Join(frames, []byte(" ")))
			w.WriteByte('\n')
		})
		if err != nil {
			fmt.Fprintf(os.Stderr, "zeromq: %v: %v\n", from, err)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
}

package conformance_test

import (
	"fmt"
	"log"
	"os"

	"github.com/gopgm/gopgm/conformance"
	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// A capture is read as a stream, and judged as it is read.
func ExampleCheck() {
	f, err := os.Open("testdata/nak-unsent/bad.pcapng")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	r, err := pcap.Open(f)
	if err != nil {
		log.Fatal(err)
	}
	v, err := conformance.Check(r.Read)
	if err != nil {
		fmt.Println("judged as far as it could be read:", err)
	}
	for _, n := range v.Findings {
		fmt.Printf("packet %d: [%s] %s: %s\n", n.Packet, n.Clause, n.Level, n.Seen)
	}
	fmt.Println("a MUST is broken:", v.Broken(conformance.LevelMust))
	// Output:
	// packet 11: [6.3-01] MUST: NAK 9, and the newest packet that was sent is 5
	// a MUST is broken: true
}

// printer is a Sink that prints what it is given.
type printer struct{}

func (printer) Data(d receiver.Data) bool {
	fmt.Printf("packet %d: %q\n", d.SQN, d.TSDU)
	return true
}
func (printer) Lost(first, last packet.SQN)          { fmt.Printf("lost: %d to %d\n", first, last) }
func (printer) End(why receiver.End, _ packet.Reset) { fmt.Println("the session is over:", why) }

// What a receiver would have delivered comes out of the capture.
func ExampleReplay() {
	f, err := os.Open("testdata/rdata-confirmed/good.pcapng")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	r, err := pcap.Open(f)
	if err != nil {
		log.Fatal(err)
	}
	play := conformance.NewReplay(conformance.ReplayConfig{
		Accept: func(s *receiver.Session) receiver.Sink {
			fmt.Println("session", s.TSI())
			return printer{}
		},
	})
	if err := play.Run(r.Read); err != nil {
		log.Fatal(err)
	}
	// Output:
	// session 010203040506.1000
	// packet 1: "data of packet 1"
	// packet 2: "data of packet 2"
	// packet 3: "data of packet 3"
	// packet 4: "data of packet 4"
	// packet 5: "data of packet 5"
	// the session is over: closed
}

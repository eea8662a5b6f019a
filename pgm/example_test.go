package pgm_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/gopgm/gopgm/pgm"
)

// One line goes to everyone who listens.
func ExampleDial() {
	const endpoint = "epgm://127.0.0.1;239.255.77.72:7510" // the interface may be left out
	l, err := pgm.Listen("epgm", endpoint)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()

	source, err := pgm.Dial("epgm", endpoint)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintln(source, "hello, everyone")
	source.Close()

	conn, err := l.Accept()
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(os.Stdout, conn) // until the source closes
	// Output: hello, everyone
}

// A program that is about to exit waits until its receivers had the time to ask for what they missed.
func ExampleDialer_DialContext() {
	d := pgm.Dialer{Config: pgm.Config{
		TTL:    1,           // not beyond this network
		Rate:   100_000_000, // bits a second, repairs included
		Source: pgm.SourceConfig{Linger: 50 * time.Millisecond},
	}}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := d.DialContext(ctx, "epgm4", "127.0.0.1;239.255.77.72:7511")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := conn.Write([]byte("the last words\n")); err != nil {
		log.Fatal(err)
	}
	fmt.Println(conn.CloseWait(ctx))
	// Output: <nil>
}

// Accept gives a net.Conn for each source.
func ExampleListen() {
	l, err := pgm.Listen("epgm", "epgm://127.0.0.1;239.255.77.72:7512")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		source, err := pgm.Dial("epgm", "epgm://127.0.0.1;239.255.77.72:7512")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprint(source, "one\ntwo\nthree\n")
		source.Close()
	}()
	conn, err := l.Accept()
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		fmt.Println(lines.Text())
	}
	if err := lines.Err(); errors.Is(err, pgm.ErrLost) {
		fmt.Println("the rest is lost:", err)
	}
	// Output:
	// one
	// two
	// three
}

// A listener may discard what it receives at random, to see it repaired.
func ExampleListenConfig_Listen() {
	c := pgm.ListenConfig{Config: pgm.Config{Drop: 0.1}}
	l, err := c.Listen(context.Background(), "epgm", "epgm://127.0.0.1;239.255.77.72:7513")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		source, err := pgm.Dial("epgm", "epgm://127.0.0.1;239.255.77.72:7513")
		if err != nil {
			log.Fatal(err)
		}
		defer source.Close()
		source.Write(make([]byte, 10_000_000))
	}()
	conn, err := l.Accept()
	if err != nil {
		log.Fatal(err)
	}
	n, err := io.Copy(io.Discard, conn)
	fmt.Println(n, err)
	// Output: 10000000 <nil>
}

// Whoever joins the group hears the messages of all others.
func ExampleListenPacket() {
	const endpoint = "epgm://127.0.0.1;239.255.77.72:7514"
	alice, err := pgm.ListenPacket("epgm", endpoint)
	if err != nil {
		log.Fatal(err)
	}
	defer alice.Close()
	bob, err := pgm.ListenPacket("epgm", endpoint)
	if err != nil {
		log.Fatal(err)
	}
	defer bob.Close()

	if _, err := alice.WriteTo([]byte("is anyone there?"), nil); err != nil { // nil: the group
		log.Fatal(err)
	}
	buf := make([]byte, 1500)
	n, from, err := bob.ReadFrom(buf)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %v\n", buf[:n], from.String() == alice.LocalAddr().String())
	// Output: is anyone there? true
}

// A bus tells who joins and who leaves, and how: an io.EOF is a proper end, a *ResetError has the code of one who gave up.
func ExampleListenConfig_ListenPacket() {
	const endpoint = "epgm://127.0.0.1;239.255.77.72:7515"
	gone := make(chan bool)
	c := pgm.ListenConfig{
		Joined: func(source pgm.Addr, fromStart bool) { fmt.Println("joined, with the first message:", fromStart) },
		Left: func(source pgm.Addr, err error) {
			var reset *pgm.ResetError
			if errors.As(err, &reset) {
				fmt.Println("gave up, code", reset.Code)
			}
			close(gone)
		},
	}
	bus, err := c.ListenPacket(context.Background(), "epgm", endpoint)
	if err != nil {
		log.Fatal(err)
	}
	defer bus.Close()

	source, err := pgm.Dial("epgm", endpoint)
	if err != nil {
		log.Fatal(err)
	}
	conn := source.(*pgm.Conn)
	conn.WriteMessage([]byte("all is well"))
	buf := make([]byte, 1500)
	n, _, err := bus.ReadFrom(buf)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", buf[:n])
	conn.Reset(3)
	<-gone
	// Output:
	// joined, with the first message: true
	// all is well
	// gave up, code 3
}

// A stream that its source gave up ends with the code that the source gave; one that it closed ends with io.EOF.
func ExampleResetError() {
	l, err := pgm.Listen("epgm", "epgm://127.0.0.1;239.255.77.72:7516")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		source, err := pgm.Dial("epgm", "epgm://127.0.0.1;239.255.77.72:7516")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprintln(source, "so far, so good")
		time.Sleep(100 * time.Millisecond)
		source.(*pgm.Conn).Reset(7)
	}()
	conn, err := l.Accept()
	if err != nil {
		log.Fatal(err)
	}
	_, err = io.Copy(os.Stdout, conn)
	var reset *pgm.ResetError
	fmt.Println(conn.(*pgm.Conn).FromStart(), errors.As(err, &reset) && reset.Code == 7)
	// Output:
	// so far, so good
	// true true
}

// With parity, one repair brings back a different packet to each receiver: two go unasked behind each 16 packets, and others when receivers ask.
// It is not for groups to which receivers of other stacks listen.
func ExampleConfig_parity() {
	l, err := pgm.Listen("epgm", "epgm://127.0.0.1;239.255.77.72:7517")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	d := pgm.Dialer{Config: pgm.Config{FEC: pgm.FEC{Group: 16, Proactive: 2, OnDemand: true}}}
	source, err := d.DialContext(context.Background(), "epgm", "epgm://127.0.0.1;239.255.77.72:7517")
	if err != nil {
		log.Fatal(err)
	}
	for i := range 3 {
		fmt.Fprintln(source, "line", i+1)
	}
	source.Close()
	conn, err := l.Accept()
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(os.Stdout, conn) // whatever was lost on the way
	// Output:
	// line 1
	// line 2
	// line 3
}

// An endpoint is written as other PGM programs write it.
func ExampleParseEndpoint() {
	ep, err := pgm.ParseEndpoint("eth0;239.192.0.1")
	fmt.Println(ep, err)
	_, err = pgm.ParseEndpoint("10.0.0.1:7500")
	fmt.Println(err)
	// Output:
	// epgm://eth0;239.192.0.1:7500 <nil>
	// pgm: endpoint "10.0.0.1:7500": 10.0.0.1 is not a multicast group: those are 224.0.0.0 to 239.255.255.255
}

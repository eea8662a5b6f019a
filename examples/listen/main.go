// Listen prints the stream of every source that it hears, each line with the source in front, until it is interrupted:
//
//	go run ./examples/listen
//
// An endpoint may be given: go run ./examples/listen "eth0;239.192.0.1:7500".
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"

	"github.com/gopgm/gopgm/pgm"
)

func main() {
	endpoint := pgm.DefaultEndpoint
	if len(os.Args) > 1 {
		endpoint = os.Args[1]
	}
	l, err := pgm.Listen("", endpoint)
	if err != nil {
		fmt.Fprintln(os.Stderr, "listen:", err)
		os.Exit(1)
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, "listen:", err)
			os.Exit(1)
		}
		go show(conn)
	}
}

// show prints one stream to its end.
func show(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		fmt.Printf("%v: %s\n", conn.RemoteAddr(), lines.Text())
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "listen:", err)
	}
}

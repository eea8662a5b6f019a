// Dial sends its standard input to everyone who listens:
//
//	go run ./examples/listen &
//	echo hello, everyone | go run ./examples/dial
//
// An endpoint may be given: go run ./examples/dial "eth0;239.192.0.1:7500".
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/gopgm/gopgm/pgm"
)

func main() {
	endpoint := pgm.DefaultEndpoint
	if len(os.Args) > 1 {
		endpoint = os.Args[1]
	}
	if err := send(endpoint, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "dial:", err)
		os.Exit(1)
	}
}

func send(endpoint string, r io.Reader) error {
	var d pgm.Dialer
	conn, err := d.DialContext(context.Background(), "", endpoint)
	if err != nil {
		return err
	}
	if _, err := io.Copy(conn, r); err != nil {
		return err
	}
	// Close would return at once, and the end of the program take from the receivers what they still have to ask for.
	return conn.CloseWait(context.Background())
}

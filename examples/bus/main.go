// Bus is a chat between all who run it: each line of the standard input is a message, and every other's is printed with its source.
//
//	go run ./examples/bus
//
// An endpoint may be given: go run ./examples/bus "eth0;239.192.0.1:7500".
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"

	"github.com/gopgm/gopgm/pgm"
)

func main() {
	endpoint := pgm.DefaultEndpoint
	if len(os.Args) > 1 {
		endpoint = os.Args[1]
	}
	if err := run(endpoint); err != nil {
		fmt.Fprintln(os.Stderr, "bus:", err)
		os.Exit(1)
	}
}

func run(endpoint string) error {
	var c pgm.ListenConfig
	bus, err := c.ListenPacket(context.Background(), "", endpoint)
	if err != nil {
		return err
	}
	go func() {
		buf := make([]byte, bus.MaxMessage())
		for {
			n, from, err := bus.ReadFrom(buf)
			if err != nil {
				return // closed
			}
			fmt.Printf("%v: %s\n", from, buf[:n])
		}
	}()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if _, err := bus.Write(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	// What was written last may still be asked for.
	return bus.CloseWait(context.Background())
}

package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// askTime bounds how long a command waits to be sent.
const askTime = 2 * time.Second

// serve answers the lines of whoever connects.
func (r *replica) serve(address string) (net.Listener, error) {
	network := "tcp"
	if strings.Contains(address, "/") {
		network = "unix"
		_ = os.Remove(address) // of a replica that was killed
	}
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					ctx, cancel := context.WithTimeout(context.Background(), askTime)
					answer := r.answer(ctx, lines.Text())
					cancel()
					if _, err := fmt.Fprintln(conn, answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l, nil
}

package main

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/mld"
)

// An interface that has just come up has for a second or two IPv6 addresses that the kernel is still making sure of, which cannot be used,
// and no route for multicast. At boot that is when a router starts.
const (
	settles   = 200 * time.Millisecond // between two tries
	settleFor = 15                     // tries
)

// openConn opens the sockets of a link.
func openConn(ctx context.Context, c netio.Config) (conn netio.Conn, err error) {
	for range settleFor {
		if conn, err = netio.Open(ctx, c); !errors.Is(err, syscall.ENETUNREACH) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
			return conn, err
		}
		time.Sleep(settles)
	}
	return nil, err
}

// openPort opens the port by which an interface is asked who listens.
func openPort(ifi *net.Interface, family mld.Family) (port *mld.Port, err error) {
	for range settleFor {
		if port, err = mld.OpenPort(ifi, family); err == nil || family == mld.IGMP {
			return port, err
		}
		time.Sleep(settles)
	}
	return nil, err
}

//go:build !netio_portable

package netio

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// intercept has the group's socket of an endpoint take what bears Router Alert out of the way that the kernel forwards by. The kernel hands
// it what is of the protocol and came by the interface, whatever group or host it is for, as long as this host has not joined the group there: then
// it delivers and forwards as if there were no alert.
func (e *endpoint) intercept(s socket) error {
	var err error
	if cerr := s.raw.Control(func(f uintptr) {
		fd := int(f)
		err = errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, e.link.ifi.Index),
			unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_ROUTER_ALERT, 1),
		)
	}); cerr != nil {
		err = cerr
	}
	return os.NewSyscallError("IP_ROUTER_ALERT", err)
}

// Join has an endpoint that was opened with Alert hear all of its group instead, as one without does: the kernel no longer forwards the group. One that
// was opened with Unjoined, too, is a Subscriber from then on.
func (e *endpoint) Join() error {
	if !e.config.Alert {
		return errors.New("the endpoint has joined already")
	}
	s := e.sockets[1]
	var err error
	if cerr := s.raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_ROUTER_ALERT, 0) }); cerr != nil {
		err = cerr
	}
	if err == nil && !e.config.Unjoined {
		err = joinGroup(s.pc, e.config, e.link.ifi)
	}
	if err != nil {
		return fmt.Errorf("group %v on %s: %w", e.config.Group, e.link.ifi.Name, err)
	}
	e.config.Alert = false
	return nil
}

// foreign reports whether a packet, of which the IPv4 header is at data, is for another group or host: interception does not ask.
func (r *reader) foreign(data []byte) bool {
	return r.alert && [4]byte(data[16:20]) != r.conn.config.Group.Addr().As4()
}

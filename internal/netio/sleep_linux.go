package netio

import (
	"time"

	"golang.org/x/sys/unix"
)

// Sleep pauses the calling goroutine, and the thread that runs it, for d. It is exact to some tens of microseconds where a timer of
// the runtime is up to a millisecond late, which a source that paces its bursts needs; it cannot be cut short, so it is meant for
// waits of a millisecond or two.
func Sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	// A signal may end the sleep early; the caller looks at the clock again anyway.
	request := unix.NsecToTimespec(d.Nanoseconds())
	_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &request, nil)
}

//go:build !linux

package netio

import "time"

// Sleep pauses the calling goroutine for d, as exactly as the platform's timers are.
func Sleep(d time.Duration) { time.Sleep(d) }

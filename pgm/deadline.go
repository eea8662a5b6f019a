package pgm

import (
	"sync"
	"time"
)

// deadline is a deadline of one half of a connection. Its owner's lock guards it, and its owner's condition is told when it
// passes.
type deadline struct {
	passed bool
	timer  *time.Timer // of the deadline that is ahead; nil when there is none
}

// set moves the deadline to t, the zero time being never, and wakes those who wait. The caller holds the condition's lock.
func (d *deadline) set(t time.Time, changed *sync.Cond) {
	d.stop()
	d.passed = false
	if !t.IsZero() {
		if left := time.Until(t); left <= 0 {
			d.passed = true
		} else {
			var timer *time.Timer
			timer = time.AfterFunc(left, func() {
				changed.L.Lock()
				defer changed.L.Unlock()
				if d.timer == timer { // else it was moved while this function was on its way
					d.passed = true
					changed.Broadcast()
				}
			})
			d.timer = timer
		}
	}
	changed.Broadcast()
}

// stop gives the timer back.
func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

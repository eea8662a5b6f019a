package congestion

import (
	"cmp"
	"time"
)

// lowest is the least of the values of the last one to two spans of time, in constant memory: as long as a span is under way, that of the
// one before counts too.
type lowest[T cmp.Ordered] struct {
	span     time.Duration
	since    time.Time // when the span under way began
	now, old T
	has, had bool
}

// add takes a value and returns the least.
func (l *lowest[T]) add(now time.Time, v T) T {
	if age := now.Sub(l.since); !l.has && !l.had || age < 0 || age >= 2*l.span {
		*l = lowest[T]{span: l.span, since: now, now: v, has: true}
	} else if age >= l.span {
		l.old, l.had = l.now, l.has
		l.now, l.has, l.since = v, true, now
	} else {
		l.now = min(l.now, v)
	}
	return l.get()
}

// get returns the least, or the zero value if there is none.
func (l *lowest[T]) get() T {
	if l.had {
		return min(l.now, l.old)
	}
	return l.now
}

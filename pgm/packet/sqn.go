package packet

import "strconv"

// SQN is a sequence number of RFC 3208 §3.2: a point on a circle of 2^32. Sums and differences wrap by themselves;
// comparisons go through the methods, because < is wrong across the wrap [3.2-02].
type SQN uint32

// MaxWindow is the largest number of packets in a transmit or receive window [3.3-02].
const MaxWindow = 1<<31 - 1

// Before reports whether s is older than t: whether t - s, modulo 2^32, is in 1..2^31-1. Two numbers exactly half a circle
// apart are each not before the other.
func (s SQN) Before(t SQN) bool {
	d := t - s
	return d != 0 && d < 1<<31
}

// After reports whether s is newer than t.
func (s SQN) After(t SQN) bool { return t.Before(s) }

// InWindow reports whether s is in the window trail..lead, both included. The window is empty when trail is lead + 1 [3.3-03].
func (s SQN) InWindow(trail, lead SQN) bool { return s-trail < lead-trail+1 }

// Sub returns how far s is ahead of t: negative when s is behind.
func (s SQN) Sub(t SQN) int { return int(int32(s - t)) }

// String returns the number in decimal.
func (s SQN) String() string { return strconv.FormatUint(uint64(s), 10) }

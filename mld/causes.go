package mld

import "errors"

// Causes counts packets that were refused, by why.
type Causes struct {
	Truncated uint64 // shorter than its fields say, or of a length that no version has
	Type      uint64 // no message of the protocol
	Checksum  uint64
	HopLimit  uint64 // other than 1
	Source    uint64 // not of this link
	Alert     uint64 // without Router Alert
	Group     uint64 // not about a multicast group that is reported
}

// count adds an error of Message.Parse.
func (c *Causes) count(err error) {
	switch {
	case errors.Is(err, ErrTruncated), errors.Is(err, ErrLength):
		c.Truncated++
	case errors.Is(err, ErrType):
		c.Type++
	case errors.Is(err, ErrChecksum):
		c.Checksum++
	case errors.Is(err, ErrHopLimit):
		c.HopLimit++
	case errors.Is(err, ErrSource):
		c.Source++
	case errors.Is(err, ErrAlert):
		c.Alert++
	case errors.Is(err, ErrGroup):
		c.Group++
	}
}

// Total returns how many there are.
func (c Causes) Total() uint64 {
	return c.Truncated + c.Type + c.Checksum + c.HopLimit + c.Source + c.Alert + c.Group
}

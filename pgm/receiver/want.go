package receiver

import "github.com/gopgm/gopgm/pgm/packet"

// Want undoes Have: the packets first..last are missing after all, because what the Sink had in their place is not what the source
// sends. They will be asked for.
func (s *Session) Want(first, last packet.SQN) {
	if !s.started || s.ended {
		return
	}
	for n := first; n != last+1; n++ {
		s.have.Remove(n)
	}
	if first.Before(s.cursor) {
		s.cursor = first
	}
	s.detect(s.heard)
}

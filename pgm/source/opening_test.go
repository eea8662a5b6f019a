package source

import (
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

// A session may open with several SPMs, each with a number of its own, in front of the first data: no SPM waits behind data
// [5.1.3-01].
func TestOpeningSPMsGoBeforeData(t *testing.T) {
	c := testConfig(&fake{next: 2})
	c.Opening = 3
	s := newSource(t, c)
	all := pollAll(t, s, start)
	for i, p := range all {
		switch {
		case i < 3 && p.h.Type != packet.TypeSPM, i >= 3 && p.h.Type != packet.TypeODATA:
			t.Errorf("packet %d is %v", i, p.h.Type)
		case i > 0 && i < 3 && p.spm.SQN != all[i-1].spm.SQN+1:
			t.Errorf("SPM %d has the number %d behind %d", i, p.spm.SQN, all[i-1].spm.SQN)
		}
	}
	if len(all) != 5 {
		t.Errorf("%d packets, want 3 SPMs and 2 data packets", len(all))
	}
}

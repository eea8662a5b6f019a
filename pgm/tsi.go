package pgm

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"

	"github.com/gopgm/gopgm/pgm/packet"
)

// sessions are the sessions that this process sends: "a Data-Source Port ... MUST be unique within the source" [8-02].
var sessions struct {
	sync.Mutex
	tsi map[packet.TSI]bool
}

// newTSI returns an identifier that no other session of this process has, with a Data-Source Port drawn at random, so that a program that is
// started again has another session [8-02]. The GSI is that of the host, by the rule of [8-16]; the address is part of the name, because
// hosts share names, localhost above all, more often than anyone would like. releaseTSI gives it back.
func newTSI(local netip.Addr) (packet.TSI, error) {
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	tsi := packet.TSI{GSI: packet.HostGSI(name + " " + local.String())}
	sessions.Lock()
	defer sessions.Unlock()
	if sessions.tsi == nil {
		sessions.tsi = make(map[packet.TSI]bool)
	}
	for range 1 << 16 {
		if tsi.Port = uint16(1 + rand.IntN(1<<16-1)); !sessions.tsi[tsi] {
			sessions.tsi[tsi] = true
			return tsi, nil
		}
	}
	return tsi, errors.New("pgm: this process sends too many sessions: no Data-Source Port is left")
}

func releaseTSI(tsi packet.TSI) {
	sessions.Lock()
	defer sessions.Unlock()
	delete(sessions.tsi, tsi)
}

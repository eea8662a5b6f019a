package main

import (
	"context"
	"errors"

	"github.com/gopgm/gopgm/conformance"
	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/pgm/receiver"
	"github.com/gopgm/gopgm/pgm/transfer"
)

// replayFiles restores the files of a capture beneath a directory.
func replayFiles(ctx context.Context, o *options, t *tape, n *narrator) error {
	var loop *conformance.Replay
	summary, err := transfer.Replay(ctx, func(accept func(*receiver.Session) receiver.Sink) (transfer.Loop, error) {
		loop = conformance.NewReplay(conformance.ReplayConfig{Accept: accept, PeerExpiry: o.timeout})
		go loop.Run(t.next) // the tape keeps what is wrong with it
		return loop, nil
	}, transfer.ReceiveOptions{Dir: o.dir, Name: o.name, Observe: n.observe})
	if loop == nil {
		n.failed(err)
		return err
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	n.foreign.rest(n.display, "session")
	n.report.Write(console.NewExitReport(&summary.Receiver))
	return worse(err, n.unheard(loop))
}

package console

import (
	"context"
	"errors"

	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/transfer"
)

// The exit statuses of the programs.
const (
	ExitOK          = 0   // all received, all sent
	ExitFailure     = 1   // anything that has no status of its own
	ExitUsage       = 2   // a flag or an operand is wrong
	ExitLost        = 3   // data lost beyond repair
	ExitReset       = 4   // the session was reset
	ExitMissing     = 5   // not every expected receiver finished
	ExitInterrupted = 130 // as shells count SIGINT
)

// ExitStatus returns the exit status for an error.
func ExitStatus(err error) int {
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	case errors.Is(err, transfer.ErrLost), errors.Is(err, pgm.ErrLost):
		return ExitLost
	case errors.Is(err, transfer.ErrReset), errors.Is(err, pgm.ErrReset):
		return ExitReset
	case errors.Is(err, transfer.ErrMissing):
		return ExitMissing
	}
	return ExitFailure
}

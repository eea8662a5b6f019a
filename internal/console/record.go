package console

import (
	"fmt"
	"io"
	"time"

	"github.com/gopgm/gopgm/pgm"
)

// Recording says what Record captures, and whom it tells.
type Recording struct {
	Program string
	Path    string    // of the capture; empty: there is none
	Stderr  io.Writer // for messages
	Reports io.Writer // for reports; nil: there are none
}

// captureReport is what reports for machines say of a capture.
type captureReport struct {
	Event   string    `json:"event"` // capture
	Time    time.Time `json:"time"`
	File    string    `json:"file"`
	Packets uint64    `json:"packets"`
	Dropped uint64    `json:"dropped"`
	Error   string    `json:"error,omitempty"`
}

// Record runs a program's part that has sessions, and captures what they send and receive: trace, nil without a capture, is for pgm.Config. It
// returns the exit status, which is a failure too when the capture is not whole because of an error; not when the disk was too slow for it.
func Record(r Recording, run func(trace func(pgm.Traced)) int) int {
	if r.Path == "" {
		return run(nil)
	}
	c, err := CreateCapture(r.Path)
	if err != nil {
		fmt.Fprintf(r.Stderr, "%s: %v\n", r.Program, err)
		NewReport(r.Reports).Write(NewErrorReport(err))
		return ExitFailure
	}
	status := run(c.Trace)
	v := captureReport{Event: "capture", File: r.Path}
	v.Packets, v.Dropped, err = c.Close()
	v.Time = time.Now()
	switch {
	case err != nil:
		v.Error = err.Error()
		fmt.Fprintf(r.Stderr, "%s: %v\n", r.Program, err)
		if status == ExitOK {
			status = ExitFailure
		}
	case v.Dropped > 0:
		fmt.Fprintf(r.Stderr, "%s: %s: %s captured, and %d left out: the disk was too slow for them\n",
			r.Program, Visible(r.Path), Plural(int(v.Packets), "packet"), v.Dropped)
	default:
		fmt.Fprintf(r.Stderr, "%s: %s: %s captured\n", r.Program, Visible(r.Path), Plural(int(v.Packets), "packet"))
	}
	NewReport(r.Reports).Write(v)
	return status
}

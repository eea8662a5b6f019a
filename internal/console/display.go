package console

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// Mode says how a Display shows progress.
type Mode uint8

// The modes.
const (
	Auto  Mode = iota // bars if the output is a terminal, else nothing
	Plain             // a line a second, for logs
	None
)

// ParseMode reads a mode: auto, plain or none.
func ParseMode(s string) (Mode, error) {
	for i, name := range []string{"auto", "plain", "none"} {
		if s == name {
			return Mode(i), nil
		}
	}
	return 0, fmt.Errorf("%q is not a way to show progress: want auto, plain or none", s)
}

// Display shows messages, each a line, and below them, on a terminal, a bar for each transfer. It is safe for concurrent use.
type Display struct {
	program string
	mode    Mode
	out     io.Writer
	bars    *mpb.Progress // nil: no terminal

	mu    sync.Mutex
	shown map[string]*bar
}

// Status is how far a transfer is.
type Status struct {
	Name        string        // what is transferred, short
	Done, Total int64         // octets
	Rate        float64       // octets a second; 0: unknown, until there has been one, and nothing moves after that
	ETA         time.Duration // 0: unknown
	Note        string        // what else is worth knowing
	still       bool          // there has been no rate yet
}

type bar struct {
	mpb    *mpb.Bar
	status atomic.Pointer[Status]
	moved  bool // there has been a rate
	said   time.Time
}

// NewDisplay returns a Display that writes to w; messages begin with the program's name.
func NewDisplay(program string, w io.Writer, mode Mode) *Display {
	d := &Display{program: program, mode: mode, out: w, shown: make(map[string]*bar)}
	if f, ok := w.(*os.File); ok && mode == Auto && term.IsTerminal(int(f.Fd())) {
		d.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(24), mpb.WithRefreshRate(120*time.Millisecond), mpb.WithAutoRefresh())
	}
	return d
}

// Printf writes a message line.
func (d *Display) Printf(format string, args ...any) {
	line := fmt.Sprintf("%s: %s\n", d.program, fmt.Sprintf(format, args...))
	if d.bars != nil {
		if _, err := io.WriteString(d.bars, line); err == nil {
			return
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	io.WriteString(d.out, line)
}

// Progress shows how far the transfer key is.
func (d *Display) Progress(key string, s Status) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.shown[key]
	if b == nil {
		b = &bar{}
		d.shown[key] = b
	}
	b.moved = b.moved || s.Rate > 0
	s.still = !b.moved
	b.status.Store(&s)
	switch {
	case d.bars != nil:
		if b.mpb == nil {
			b.mpb = d.bars.New(s.Total, mpb.BarStyle(), mpb.BarRemoveOnComplete(),
				mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return b.status.Load().left() })),
				mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return b.status.Load().right() })))
		}
		b.mpb.SetTotal(max(s.Total, 1), false)
		b.mpb.SetCurrent(s.Done)
	case d.mode == Plain && time.Since(b.said) >= time.Second:
		b.said = time.Now()
		fmt.Fprintf(d.out, "%s: %s%s\n", d.program, s.left(), s.right())
	}
}

func (s *Status) left() string {
	if s.Total <= 0 {
		return Visible(s.Name) + " "
	}
	return fmt.Sprintf("%s %3d %% ", Visible(s.Name), s.Done*100/s.Total)
}

func (s *Status) right() string {
	text := " " + FormatSize(s.Done)
	if s.Total > 0 {
		text += " of " + FormatSize(s.Total)
	}
	if !s.still {
		text += ", " + FormatRate(s.Rate)
	}
	if s.ETA > 0 {
		text += ", " + s.ETA.Round(time.Second).String() + " left"
	}
	if s.Note != "" {
		text += ", " + s.Note
	}
	return text
}

// Finish takes the bar of a transfer away.
func (d *Display) Finish(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if b := d.shown[key]; b != nil {
		if b.mpb != nil {
			b.mpb.Abort(true)
		}
		delete(d.shown, key)
	}
}

// Close takes all bars away. Messages are still written after it.
func (d *Display) Close() {
	d.mu.Lock()
	for key, b := range d.shown {
		if b.mpb != nil {
			b.mpb.Abort(true)
		}
		delete(d.shown, key)
	}
	d.mu.Unlock()
	if d.bars != nil {
		d.bars.Wait()
	}
}

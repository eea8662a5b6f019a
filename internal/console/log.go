package console

import (
	"context"
	"log/slog"
	"strings"
)

// LogHandler is a slog.Handler whose records are messages on a Display: the message, then the attributes in parentheses.
type LogHandler struct {
	d       *Display
	verbose bool
	attrs   string
}

// NewLogHandler returns a handler that shows warnings and errors, and if verbose all from slog.LevelDebug on.
func NewLogHandler(d *Display, verbose bool) *LogHandler { return &LogHandler{d: d, verbose: verbose} }

// Enabled reports whether records of a level are shown.
func (h *LogHandler) Enabled(_ context.Context, l slog.Level) bool {
	return h.verbose || l >= slog.LevelWarn
}

// Handle shows a record.
func (h *LogHandler) Handle(_ context.Context, r slog.Record) error {
	attrs := h.attrs
	r.Attrs(func(a slog.Attr) bool {
		attrs += attribute(a)
		return true
	})
	text := strings.TrimPrefix(r.Message, "pgm: ")
	if attrs != "" {
		text += " (" + strings.TrimPrefix(attrs, ", ") + ")"
	}
	h.d.Printf("%s", text)
	return nil
}

// WithAttrs returns a handler that adds attributes to each record.
func (h *LogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	for _, a := range attrs {
		c.attrs += attribute(a)
	}
	return &c
}

// WithGroup returns h: groups are not shown.
func (h *LogHandler) WithGroup(string) slog.Handler { return h }

func attribute(a slog.Attr) string { return ", " + a.Key + " " + Visible(a.Value.String()) }

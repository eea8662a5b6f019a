package console

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// ErrorReport is the report of an error that ends a program.
type ErrorReport struct {
	Event string    `json:"event"`
	Time  time.Time `json:"time"`
	Error string    `json:"error"`
}

// NewErrorReport returns the report of err.
func NewErrorReport(err error) ErrorReport {
	return ErrorReport{Event: "error", Time: time.Now(), Error: err.Error()}
}

// Report writes reports for machines: one JSON object a line. The zero Report writes nothing. It is safe for concurrent use.
type Report struct {
	mu  sync.Mutex
	enc *json.Encoder
}

// NewReport returns a Report that writes to w; a nil w makes one that writes nothing.
func NewReport(w io.Writer) *Report {
	if w == nil {
		return &Report{}
	}
	return &Report{enc: json.NewEncoder(w)}
}

// Enabled reports whether reports are written at all.
func (r *Report) Enabled() bool { return r.enc != nil }

// Write writes one object. Each has an "event".
func (r *Report) Write(v any) {
	if r.enc == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.enc.Encode(v)
}

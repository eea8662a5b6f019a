package check

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// line is an Event in a file: who logged it goes with it, so that the logs of a whole run may lie in one.
type line struct {
	Process uint64 `json:"process"`
	Event
}

// Writer writes events as lines of JSON. It is not safe for concurrent use.
type Writer struct{ enc *json.Encoder }

// NewWriter returns a Writer to w, which is written once for each event.
func NewWriter(w io.Writer) *Writer { return &Writer{json.NewEncoder(w)} }

// Write appends an event to the log of a process.
func (w *Writer) Write(process uint64, e Event) error { return w.enc.Encode(line{process, e}) }

// Read reads what Writers wrote, one or several behind one another, and returns the log of each process. A line that was cut short by the
// end of its process is the end of the input.
func Read(r io.Reader) ([]Log, error) {
	var logs []Log
	place := map[uint64]int{}
	lines := bufio.NewReader(r)
	for n := 1; ; n++ {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return logs, nil
		} else if err != nil {
			return logs, fmt.Errorf("check: line %d: %w", n, err)
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return logs, fmt.Errorf("check: line %d: %w", n, err)
		}
		i, ok := place[l.Process]
		if !ok {
			i = len(logs)
			place[l.Process] = i
			logs = append(logs, Log{Process: l.Process})
		}
		logs[i].Events = append(logs[i].Events, l.Event)
	}
}

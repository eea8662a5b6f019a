package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// event is one line of "go test -json" (go doc test2json).
type event struct {
	Action  string
	Package string
	Test    string // empty: of the package
	Output  string
}

// test names a test, or a package if name is empty.
type test struct{ pkg, name string }

// report gathers events, and prints what is worth it.
type report struct {
	w                       io.Writer
	said                    map[test]*strings.Builder // what those that have not ended yet have said
	skips                   []string
	passed, failed, skipped int // tests and subtests; packages that failed by themselves count as failed
}

func newReport(w io.Writer) *report {
	return &report{w: w, said: map[test]*strings.Builder{}}
}

// read takes the events of one command, to the end.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			r.line(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// line takes one line. One that is not an event is printed as it is.
func (r *report) line(line string) {
	var e event
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &e) != nil {
		fmt.Fprint(r.w, line)
		return
	}
	r.event(e)
}

func (r *report) event(e event) {
	id := test{e.Package, e.Test}
	switch e.Action {
	case "output":
		if strings.HasPrefix(e.Output, "=== ") { // which test runs, pauses and goes on
			return
		}
		if r.said[id] == nil {
			r.said[id] = &strings.Builder{}
		}
		r.said[id].WriteString(e.Output)
	case "build-output":
		fmt.Fprint(r.w, e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.packageEnds(e)
		} else {
			r.testEnds(e)
		}
		delete(r.said, id)
	}
}

func (r *report) testEnds(e event) {
	said := r.take(test{e.Package, e.Test})
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skipped++
		r.skips = append(r.skips, e.Package+" "+e.Test+": "+reason(said))
	case "fail":
		r.failed++
		fmt.Fprint(r.w, shorten(said))
	}
}

// packageEnds prints the line that says how it went; and if it went wrong all that was said outside of tests, and by those that
// never ended.
func (r *report) packageEnds(e event) {
	said := r.take(test{pkg: e.Package})
	if e.Action != "fail" {
		for line := range strings.Lines(said) {
			if strings.HasPrefix(line, "ok ") {
				fmt.Fprint(r.w, line)
			}
		}
		return
	}
	r.failed++
	r.unfinished(func(id test) bool { return id.pkg == e.Package })
	fmt.Fprint(r.w, said)
}

// unfinished prints what those chosen have said that have not ended.
func (r *report) unfinished(chosen func(test) bool) {
	for id := range r.said {
		if chosen(id) {
			fmt.Fprint(r.w, shorten(r.take(id)))
		}
	}
}

// take returns what a test has said, and forgets it.
func (r *report) take(id test) string {
	b := r.said[id]
	delete(r.said, id)
	if b == nil {
		return ""
	}
	return b.String()
}

// close prints the skipped tests and the sum.
func (r *report) close() {
	r.unfinished(func(test) bool { return true })
	if len(r.skips) > 0 {
		fmt.Fprintln(r.w, "\nskipped:")
		for _, s := range r.skips {
			fmt.Fprintln(r.w, "  "+s)
		}
	}
	fmt.Fprintf(r.w, "\n%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
}

// maxLines is how much of what a failed test said is shown: a test that fails a thousand times over says the same each time.
const maxLines = 120

// shorten leaves out the middle of a text that is too long.
func shorten(said string) string {
	lines := slices.Collect(strings.Lines(said))
	if len(lines) <= maxLines {
		return said
	}
	head, tail := lines[:maxLines/2], lines[len(lines)-maxLines/2:]
	return strings.Join(head, "") + fmt.Sprintf("... %d lines ...\n", len(lines)-maxLines) + strings.Join(tail, "")
}

// place is the file and line that the testing package puts in front of what a test says.
var place = regexp.MustCompile(`^\S+\.go:\d+: `)

// reason returns why a test was skipped, out of all that it said.
func reason(said string) string {
	var words []string
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "--- ") {
			continue
		}
		words = append(words, place.ReplaceAllString(line, ""))
	}
	if len(words) == 0 {
		return "no reason given"
	}
	return strings.Join(words, " ")
}

package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// reported returns what the report says of events.
func reported(t *testing.T, events ...event) (string, *report) {
	t.Helper()
	var in, out strings.Builder
	for _, e := range events {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(b, '\n'))
	}
	r := newReport(&out)
	if err := r.read(strings.NewReader(in.String())); err != nil {
		t.Fatal(err)
	}
	r.close()
	return out.String(), r
}

func TestPassingTestsSayNothing(t *testing.T) {
	got, _ := reported(t,
		event{"run", "p", "TestA", ""},
		event{"output", "p", "TestA", "=== RUN   TestA\n"},
		event{"output", "p", "TestA", "    a_test.go:1: chatter\n"},
		event{"pass", "p", "TestA", ""},
		event{"output", "p", "", "PASS\n"},
		event{"output", "p", "", "ok  \tp\t0.1s\n"},
		event{"pass", "p", "", ""},
	)
	if want := "ok  \tp\t0.1s\n\n1 passed, 0 failed, 0 skipped\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSkippedTestsGiveTheirReasonAtTheEnd(t *testing.T) {
	got, _ := reported(t,
		event{"output", "p", "TestA", "=== RUN   TestA\n"},
		event{"output", "p", "TestA", "    a_test.go:12: needs root: network namespaces\n"},
		event{"output", "p", "TestA", "--- SKIP: TestA (0.00s)\n"},
		event{"skip", "p", "TestA", ""},
		event{"skip", "p", "TestB", ""},
		event{"output", "p", "", "ok  \tp\t0.1s\n"},
		event{"pass", "p", "", ""},
		event{"skip", "q", "", ""}, // no test files
	)
	want := "ok  \tp\t0.1s\n\nskipped:\n  p TestA: needs root: network namespaces\n  p TestB: no reason given\n\n0 passed, 0 failed, 2 skipped\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFailuresAreShownWhole(t *testing.T) {
	for _, tt := range []struct {
		name   string
		events []event
		want   []string
	}{
		{"a test", []event{
			{"output", "p", "TestA", "    a_test.go:1: got 1, want 2\n"},
			{"fail", "p", "TestA", ""},
			{"output", "p", "", "FAIL\n"},
			{"output", "p", "", "FAIL\tp\t0.1s\n"},
			{"fail", "p", "", ""},
		}, []string{"got 1, want 2", "FAIL\tp\t0.1s"}},
		{"a panic, after which the test does not end", []event{
			{"output", "p", "TestA", "panic: oh\n"},
			{"output", "p", "", "FAIL\tp\t0.1s\n"},
			{"fail", "p", "", ""},
		}, []string{"panic: oh", "FAIL\tp\t0.1s"}},
		{"a package that does not compile", []event{
			{"build-output", "", "", "p/p.go:3: undefined: x\n"},
			{"build-fail", "", "", ""},
			{"output", "p", "", "FAIL\tp [build failed]\n"},
			{"fail", "p", "", ""},
		}, []string{"undefined: x", "FAIL\tp [build failed]"}},
	} {
		got, r := reported(t, tt.events...)
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is not in %q", tt.name, want, got)
			}
		}
		if r.failed == 0 {
			t.Errorf("%s: counted as no failure", tt.name)
		}
	}
}

func TestTheMiddleOfALongFailureIsLeftOut(t *testing.T) {
	got, _ := reported(t,
		event{"output", "p", "TestA", "first\n" + strings.Repeat("again\n", 10000) + "last\n"},
		event{"fail", "p", "TestA", ""},
	)
	if !strings.HasPrefix(got, "first\nagain\n") || !strings.Contains(got, "... 9882 lines ...\n") || !strings.Contains(got, "again\nlast\n") {
		t.Errorf("got %d octets: %.100q", len(got), got)
	}
}

func TestOtherLinesArePassedOn(t *testing.T) {
	var out strings.Builder
	r := newReport(&out)
	if err := r.read(strings.NewReader("go: downloading x\n{ not json\nno line end")); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "go: downloading x\n{ not json\nno line end"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestExitStatus(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want int
	}{
		{nil, 2},
		{[]string{"true"}, 0},
		{[]string{"false"}, 1},
		{[]string{"no-such-command"}, 1},
		{[]string{"echo", `{"Action":"fail","Package":"p","Test":"T"}`}, 1},
		{[]string{"echo", `{"Action":"pass","Package":"p","Test":"T"}`}, 0},
	} {
		var out, err strings.Builder
		if got := run(tt.args, &out, &err); got != tt.want {
			t.Errorf("%q: status %d, want %d (%s)", tt.args, got, tt.want, err.String())
		}
	}
}

//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func count(n int64) *int64 { return &n }

// twoRuns are results of our programs, one of them incomplete, and of a peer.
func twoRuns() (Cell, []result) {
	c := Cell{Name: "n2-loss1", Receivers: 2, Loss: 1, Size: 1e9, Rate: "1G", Goal: 1000}
	ok := result{Cell: c.Name, Program: gopgmName, Run: 1, Bytes: 1e9, Seconds: 8, Goodput: 1000, Complete: true,
		SenderCPU: 2, ReceiverCPU: []float64{1, 3}, SenderPeak: 20, ReceiverPeak: []float64{30, 40},
		ReceiverStatus: []int{0, 0}, Ports: []portCount{{1000, 10}, {1000, 12}}}
	ok.Repairs = count(23)
	bad := ok
	bad.Run, bad.Goodput, bad.Complete, bad.ReceiverStatus = 2, 0, false, []int{0, 3}
	bad.Problems = []string{"receiver 2: status 3: lost"}
	peer := ok
	peer.Program, peer.Goodput, peer.figures = uftpName, 400, figures{}
	return c, []result{ok, bad, peer}
}

func reported(asJSON bool) (r *report, stdout, stderr *bytes.Buffer) {
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	r = newReport(stdout, stderr, asJSON)
	c, runs := twoRuns()
	for _, res := range runs {
		r.run(res)
	}
	r.cell(c, gopgmName)
	r.cell(c, uftpName)
	r.close()
	return r, stdout, stderr
}

func TestRowSumsUpTheRuns(t *testing.T) {
	r, _, _ := reported(false)
	got := r.rows[0]
	if got.Runs != 2 || got.Complete != 1 || got.Goodput != 500 || got.GoodputMin != 0 {
		t.Errorf("runs %d, complete %d, median %v, min %v; want 2, 1, 500, 0", got.Runs, got.Complete, got.Goodput, got.GoodputMin)
	}
	if got.SenderCPU != 2 || got.ReceiverCPU != 2 || got.SenderPeak != 20 || got.ReceiverPeak != 40 {
		t.Errorf("CPU %v and %v, peak %v and %v; want 2, 2, 20, 40", got.SenderCPU, got.ReceiverCPU, got.SenderPeak, got.ReceiverPeak)
	}
	if got.Seen != 2000 || got.Dropped != 22 || *got.Repairs != 23 || got.NAKs != nil || got.Statuses != "0/0,0 0/0,3" {
		t.Errorf("got %+v", got)
	}
	if got.PeerRatio == nil || *got.PeerRatio != 500.0/400 {
		t.Errorf("ratio to the peer: got %v, want 1.25", got.PeerRatio)
	}
	if r.allComplete() {
		t.Error("an incomplete run is passed over")
	}
}

func TestTableHasARowForEachProgram(t *testing.T) {
	_, stdout, stderr := reported(false)
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("got %d lines, want 3:\n%s", len(lines), stdout)
	}
	for i, want := range []string{"x peer", "1000!", "uftp"} { // 1000!: below the goal
		if !strings.Contains(lines[i], want) {
			t.Errorf("no %q in %q", want, lines[i])
		}
	}
	if !strings.Contains(stderr.String(), "receiver 2: status 3: lost") {
		t.Errorf("the problem is not told: %q", stderr)
	}
}

func TestJSONIsOneObjectALine(t *testing.T) {
	_, stdout, _ := reported(true)
	var events []string
	for line := range strings.Lines(stdout.String()) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		events = append(events, o["event"].(string))
		if o["program"] == nil {
			t.Errorf("no program in %s", line)
		}
	}
	if got := strings.Join(events, " "); got != "run run run cell cell" {
		t.Errorf("got %s", got)
	}
}

// Fields that a program leaves out are unknown, not zero; what is no JSON is
// passed over.
func TestFiguresTolerateWhatIsMissing(t *testing.T) {
	sender := []byte("{\"event\":\"begin\",\"odata\":1}\nnot json\n{\"event\":\"done\",\"odata\":100,\"naks\":7,\"receivers\":[{\"name\":\"a\"}]}\n")
	f := (&gopgm{}).figures(sender, [][]byte{
		[]byte(`{"event":"exit","lost":5,"repaired":5,"kernel_drops":1}`),
		[]byte(`{"event":"exit","lost":6}`),
		nil,
	})
	if *f.Sent != 100 || *f.NAKs != 7 || f.Repairs != nil || *f.Lost != 11 || *f.Repaired != 5 || *f.KernelDrops != 1 {
		t.Errorf("got %+v", f)
	}
}

func TestCommandLinesOfOurPrograms(t *testing.T) {
	g := &gopgm{bin: "/b", timeout: 60e9, sendFlags: []string{"--ttl", "1"}}
	got := strings.Join(g.sender(Cell{Receivers: 3, Rate: "4G"}, "/f"), " ")
	if want := "/b/pgmsend -e epgm://e0;239.192.77.71:7500 --json --timeout 1m0s --rate 4G --expect 3 --ttl 1 /f"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	got = strings.Join(g.receiver(Cell{}, 1, "/d"), " ")
	if want := "/b/pgmrecv -e epgm://e0;239.192.77.71:7500 --dir /d --once --json --timeout 1m0s"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if late := g.sender(Cell{Receivers: 1, Late: time.Second}, "/f"); strings.Contains(strings.Join(late, " "), "--expect") {
		t.Errorf("the sender waits for a receiver that is to be late: %v", late)
	}
}

package member

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutants are mistakes that the simulations, or a test of one rule, must find: in each a line of the engine is another.
var mutants = []struct{ name, file, old, new string }{
	{"accepts before it has everything", "ballot.go", "\tif m.missing(v) {\n\t\tm.need()\n\t\treturn\n\t}\n\tm.accepted", "\tm.accepted"},
	{"forgets what is not stable", "stream.go", "end := min(s.stable, s.delivered)", "end := s.delivered"},
	{"uses the number of a view again", "install.go", "id: ViewID{m.base().Counter + 1, m.c.ID}", "id: ViewID{max(m.base().Counter, 1), m.c.ID}"},
	{"any part goes on", "view.go", "return 2*n > len(yes) || 2*n == len(yes) && len(yes) > 0 && yes[0]", "return n > 0"},
	{"either half goes on", "view.go", "len(yes) > 0 && yes[0]", "len(yes) > 0"},
	{"begins anew what another had begun", "ballot.go", "!a.acceptID.less(newest) {", "a.acceptID.less(newest) {"},
	{"delivers behind its promise", "order.go", "if m.view == nil || m.frozen {", "if m.view == nil {"},
	{"sends behind its promise", "member.go", "case m.frozen || m.gone ||", "case m.gone ||"},
	{"leaves the order behind", "order.go", "\tm.follow(cut)\n", ""},
	{"delivers behind a hole", "order.go", ".pos > hole {", ".pos > hole|1<<31 {"},
	{"delivers causes behind effects", "order.go", "if m.c.Order != Causal {", "if m.c.Order == Causal {"},
	{"takes the received for safe", "order.go", "|| m.c.Safe && (s.stable <= s.delivered || m.streams[e.by].stable < e.seq)", ""},
	{"takes unordered for safe", "order.go", "if m.c.Safe && m.streams[r].stable < n {", "if false {"},
	{"says what it got behind its answer", "stream.go", "\tif m.frozen {\n\t\treturn\n\t}\n", ""},
	{"cuts at what the first has", "install.go", "a.vec[r] > most || a.vec[r] == most && o == r", "most == 0"},
	{"names joiners as companions", "install.go", "\t\tcase e.joined:\n\t\t\tnext.Joined = append(next.Joined, e.ID)\n", "\t\tcase e.joined:\n\t\t\tnext.Together = append(next.Together, e.ID)\n"},
	{"shows messages before the state", "event.go", "\tif m.pending != nil {\n\t\treturn e, false // the state comes first\n\t}\n", ""},
	{"keeps messages that the state has", "install.go", "\t\tm.forget() // the state will have it all\n", ""},
	{"gives state of the view before", "install.go", "\tm.tell(Event{Kind: Viewed, View: m.view})\n\tif g := newGift(v, m.c.ID); g != nil {\n\t\tm.gifts = append(m.gifts, g)\n\t\tm.tell(Event{Kind: Requested, View: m.view})\n\t}\n", "\tif g := newGift(v, m.c.ID); g != nil {\n\t\tm.gifts = append(m.gifts, g)\n\t\tm.tell(Event{Kind: Requested, View: m.view})\n\t}\n\tm.tell(Event{Kind: Viewed, View: m.view})\n"},
	{"takes a batch again", "member.go", "if b.seq != s.received+1 {", "if b.seq > s.received+1 {"},
	{"goes on when it is out", "ballot.go", "\t\t\tm.end(d.Why, d.By)\n\t\t\treturn\n\t\t}\n\t}\n\tm.decided = v", "\t\t\treturn\n\t\t}\n\t}\n\tm.decided = v"},
	{"ends a view it has no part in", "ballot.go", "if d.Why != Left || !m.frozen {", "if !m.gone {"},
	{"orders what it has not", "transmit.go", "have > done {", "have != done {"},
	{"suspects nobody", "alive.go", "p.silent || m.t-p.heard <= m.patience(p)", "m.t >= 0"},
	{"lets the dead lie", "recover.go", "\tp.told = m.t\n\tm.say(kindOut", "\tif p.told = m.t; m.t > 0 {\n\t\treturn\n\t}\n\tm.say(kindOut"},
	{"asks nobody for what it lacks", "recover.go", "\tm.needTries++\n", "\tm.needTries++\n\tm.control = nil\n"},
	{"stops at the first missing member", "ballot.go", "a == nil && m.failing[r] == 0 {", "a == nil {"},
	{"lets data keep it from saying the rest", "transmit.go", "\tm.stats.Batches++\n", "\tm.stats.Batches++\n\tm.aliveAt = m.t + m.c.Alive\n"},
	{"waits for the answer of a liar", "ballot.go", "\t\treturn m.lie(p)\n", "\t\treturn ErrLie\n"},
	{"believes who has what was never sent", "ballot.go", "a.vec[r] > own.vec[r] {", "a.vec[r] > own.vec[r]|1<<20 {"},
	{"does not say that the state begins anew", "state.go", "Restart: q.at == 0,", "Restart: q.at == 0 && m.stats.Views == 1,"},
	{"never hands the order over", "transmit.go", "return only && r != m.rank && m.loneFor > handOver", "return false"},
	{"says once that its state is lost", "alive.go", "\tif m.spoiled() {\n", "\tif false {\n"},
	{"takes the state of a lost giver for whole", "alive.go", "p.late = p.late || m.frozen", "p.late = false"},
	{"takes the state that it did not wait for for whole", "install.go", "spoiled: missed || ", "spoiled: "},
	{"waits for who hears nothing", "alive.go", "case m.deaf(p):", "case false:"},
	{"takes back who was removed", "join.go", " || p.was", ""},
	{"drops what came early", "install.go", "\tfuture := m.future\n", "\tfuture := m.future[:0]\n"},
}

// seedsForMutants is how many schedules each mistake has to survive; most do not survive a dozen.
const seedsForMutants = "3000"

// Every mistake is one that could be made today: the line that it changes is there. With VSYNC_MUTANTS set, each is made, and found.
func TestMistakesAreFound(t *testing.T) {
	make := os.Getenv("VSYNC_MUTANTS")
	for _, m := range mutants {
		src, err := os.ReadFile(m.file)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(src), m.old); n != 1 {
			t.Errorf("%s: %s has the line %d times, want once", m.name, m.file, n)
			continue
		}
		if make == "" || make != "1" && make != m.name {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			found, said := try(t, m.file, strings.Replace(string(src), m.old, m.new, 1))
			if !found {
				t.Errorf("not found: %s", said)
			} else {
				t.Log(said)
			}
		})
	}
}

// try runs the simulations with another text of a file, and reports whether they failed, and how.
func try(t *testing.T, file, text string) (found bool, said string) {
	dir := t.TempDir()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{path: filepath.Join(dir, file)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o666); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("go", "test", "-overlay", filepath.Join(dir, "overlay.json"), "-vet=off", "-failfast", "-timeout", "20m", "-run", "TestPromisesHold|TestNothingIs|TestBusy|TestLiar|TestLone|TestRemoved|TestLostState|TestDeaf", ".")
	c.Env = append(os.Environ(), "VSYNC_MUTANTS=", "VSYNC_FIRST=1", "VSYNC_SEEDS="+seedsForMutants)
	out, err := c.CombinedOutput()
	if strings.Contains(string(out), "[build failed]") {
		t.Fatalf("%s", out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "violations") || strings.Contains(line, "panic: runtime") || strings.Contains(line, "and has answered") {
			return true, strings.TrimSpace(line)
		}
	}
	return err != nil && !strings.Contains(string(out), "test timed out"), string(out)
}

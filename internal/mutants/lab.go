package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const module = "github.com/gopgm/gopgm/"

// judge is the package whose rules judge the captures of scenarios. Every mistake is shown to it.
const judge = "conformance"

// scenarios is its test that plays them.
const scenarios = "TestScenarios"

// aside are tests that say nothing about what an engine does, because they are of the judge itself, or of memory; and those that take long:
// they play whole sessions, or thousands of packets, with little to hold them against.
const aside = "Allocat|^(TestRulesFire|TestCapturesAreOfRules|TestDocumentIsOfTheLedger|TestLedger.*|TestRulesAreInTheLedger|" +
	"TestSourcesAndReceiversAreHeld|TestTally|TestMillionSessions|TestAbsurdWindows|TestReplay.*|FuzzCheck|" +
	"TestAuto(Fills|Shares|WithAThousand).*|TestPGMCCFills.*|TestElectionDoes.*|TestSlowReceiver.*|TestPlots|TestRandomPackets|TestEveryOptionLengthInEveryType|" +
	"TestRecoveryFollowsTheSource|TestEstimateConverges|TestFloodOfPOLLsDrawsFewPOLRs)$"

// workers is how many tests run at a time.
const workers = 2

// lab is where mistakes are tried.
type lab struct {
	root     string
	dir      string                   // of the built tests
	mistakes []mistake                // the one at i has number i + 1
	broken   map[string]bool          // what fails without a mistake
	limits   map[string]time.Duration // how long the tests of a package may take with one: it may have an engine run for ever
}

// newLab builds the tests with the mistakes in them, and notes which fail without.
func newLab(ctx context.Context, root string, all []mistake) (*lab, error) {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return nil, err
	}
	l := &lab{root: root, dir: dir, mistakes: all, broken: map[string]bool{}, limits: map[string]time.Duration{}}
	if err = l.build(ctx); err == nil {
		err = l.baseline(ctx)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lab) close() { os.RemoveAll(l.dir) }

// moduleRoot returns where the module's go.mod is.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, goCommand(), "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("not in the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// goCommand returns the go command: what GO says, as in the Makefile.
func goCommand() string { return cmp.Or(os.Getenv("GO"), "go") }

// packages returns all packages whose tests are run.
func (l *lab) packages() []string {
	p := []string{judge}
	for _, m := range l.mistakes {
		p = append(p, m.packages...)
	}
	slices.Sort(p)
	return slices.Compact(p)
}

// build builds the tests of all packages, with all mistakes woven in.
func (l *lab) build(ctx context.Context) error {
	woven, err := weave(l.root, l.mistakes)
	if err != nil {
		return err
	}
	woven[switchPackage+"/seeded.go"] = switchSource
	replace := map[string]string{}
	for name, src := range woven {
		to := filepath.Join(l.dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(to, []byte(src), 0o644); err != nil {
			return err
		}
		replace[filepath.Join(l.root, filepath.FromSlash(name))] = to
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	name := filepath.Join(l.dir, "overlay.json")
	if err := os.WriteFile(name, overlay, 0o644); err != nil {
		return err
	}
	for _, p := range l.packages() {
		if err := l.copyData(p); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, goCommand(), "test", "-c", "-p=2", "-vet=off", "-ldflags=-s -w", "-overlay="+name, "-o="+l.binary(p), "./"+p)
		cmd.Dir = l.root
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("the tests of %s with mistakes do not build: %w\n%s", p, err, out)
		}
	}
	return nil
}

// binary returns where the tests of a package are.
func (l *lab) binary(p string) string {
	return filepath.Join(l.dir, strings.ReplaceAll(p, "/", "_")+".test")
}

// scratch returns the directory in which the tests of a package are run: not the package's, because some tests keep what fails.
func (l *lab) scratch(p string) string {
	return filepath.Join(l.dir, "in", strings.ReplaceAll(p, "/", "_"))
}

// copyData copies the testdata of a package to where its tests are run.
func (l *lab) copyData(p string) error {
	to := filepath.Join(l.scratch(p), "testdata")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	from := filepath.Join(l.root, filepath.FromSlash(p), "testdata")
	if _, err := os.Stat(from); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return os.CopyFS(to, os.DirFS(from))
}

// baseline notes what fails without a mistake, and how long it takes.
func (l *lab) baseline(ctx context.Context) error {
	for _, p := range l.packages() {
		l.limits[p] = time.Minute
		begin := time.Now()
		w, err := l.test(ctx, 0, p)
		if err != nil {
			return err
		}
		l.limits[p] = 5*time.Second + 10*time.Since(begin)
		for _, x := range append(w.rules, w.tests...) {
			l.broken[x] = true
		}
	}
	return ctx.Err()
}

// tryAll tries all mistakes, calls told for each as it has been, in their order, and returns what caught them.
func (l *lab) tryAll(ctx context.Context, told func(mistake, witnesses)) ([]witnesses, error) {
	all := make([]witnesses, len(l.mistakes))
	errs := make([]error, len(l.mistakes))
	tried := make([]chan struct{}, len(l.mistakes))
	for i := range tried {
		tried[i] = make(chan struct{})
	}
	next := make(chan int)
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for i := range next {
				all[i], errs[i] = l.try(ctx, i)
				close(tried[i])
			}
		})
	}
	running.Go(func() {
		for i, m := range l.mistakes {
			<-tried[i]
			if ctx.Err() == nil && errs[i] == nil {
				told(m, all[i])
			}
		}
	})
	for i := range l.mistakes {
		next <- i
	}
	close(next)
	running.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return all, errors.Join(errs...)
}

// try returns what catches the mistake at i.
func (l *lab) try(ctx context.Context, i int) (w witnesses, err error) {
	packages := l.mistakes[i].packages
	if !slices.Contains(packages, judge) {
		packages = append([]string{judge}, packages...)
	}
	for _, p := range packages {
		some, err := l.test(ctx, i+1, p)
		if err != nil {
			return w, fmt.Errorf("%s: %w", l.mistakes[i].name, err)
		}
		w.rules, w.tests = append(w.rules, some.rules...), append(w.tests, some.tests...)
	}
	w.forget(l.broken)
	return w, nil
}

// test runs the tests of a package with a mistake, 0 for none, and returns what fails. An error says that they could not be run.
func (l *lab) test(ctx context.Context, number int, p string) (witnesses, error) {
	cmd := exec.CommandContext(ctx, l.binary(p), "-test.v", "-test.timeout="+l.limits[p].String(), "-test.skip="+aside)
	cmd.Dir = l.scratch(p)
	cmd.Env = append(os.Environ(), switchName+"="+strconv.Itoa(number))
	out, err := cmd.CombinedOutput()
	w := readTests(p, string(out))
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && (!exited || w.none()) {
		return w, fmt.Errorf("the tests of %s: %w\n%s", p, err, out)
	}
	return w, nil
}

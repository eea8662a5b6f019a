package house

import (
	"go/ast"
	"slices"
	"testing"
)

// engines are the packages without socket, goroutine, lock and clock: time, randomness and packets are what their callers say
// they are. Those of mld but for its socket files.
var engines = []string{
	"pgm/packet", "spm", "nak", "ncf", "fec", "congestion", "pgm/poll", "pgm/leg", "internal/window",
	"pgm/source", "pgm/receiver", "pgm/element", "vsync/member", "vsync/check", "mld",
}

// worldly are the packages of the standard library that touch the world, or assume that there is more than one goroutine.
var worldly = []string{"net", "os", "io/ioutil", "sync", "syscall", "log", "math/rand", "crypto/rand"}

// pure are exceptions from worldly.
var pure = []string{"net/netip", "math/rand/v2"}

// selectors are, for packages that engines may import, what they may not use of them (or, if allow, all that they may use).
var selectors = map[string]struct {
	allow bool
	names []string
}{
	"time":         {false, []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Timer", "Ticker"}},
	"math/rand/v2": {true, []string{"Rand", "Source", "New", "PCG", "NewPCG", "ChaCha8", "NewChaCha8", "Zipf", "NewZipf"}},
}

// engineFiles returns the files that the rules for engines hold for.
func engineFiles(t *testing.T) []*file {
	return slices.DeleteFunc(slices.Clone(files(t)), func(f *file) bool {
		return f.isTest() || !slices.Contains(engines, f.dir()) || f.dir() == "mld" && isSocketFile(f)
	})
}

func TestEnginesDoNotTouchTheWorld(t *testing.T) {
	for _, f := range engineFiles(t) {
		for name, p := range f.imports(t) {
			if slices.ContainsFunc(worldly, func(w string) bool { return within(p, w) }) && !slices.Contains(pure, p) {
				t.Errorf("%s: an engine imports %s", f.name, p)
			}
			if name == "." {
				t.Errorf("%s: an engine imports %s without a name", f.name, p)
			}
		}
	}
}

func TestEnginesAreToldTheTimeAndTheirLuck(t *testing.T) {
	for _, f := range engineFiles(t) {
		names := f.imports(t)
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok {
				return true
			}
			rule, ok := selectors[names[x.Name]]
			if ok && slices.Contains(rule.names, sel.Sel.Name) != rule.allow {
				t.Errorf("%s: an engine uses %s.%s", f.at(n), names[x.Name], sel.Sel.Name)
			}
			return true
		})
	}
}

func TestEnginesStartNothing(t *testing.T) {
	for _, f := range engineFiles(t) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: an engine starts a goroutine", f.at(n))
			case *ast.ChanType, *ast.SelectStmt, *ast.SendStmt:
				t.Errorf("%s: an engine uses a channel", f.at(n))
			}
			return true
		})
	}
}

// The rules above would hold for no file at all, too.
func TestEnginesAreFound(t *testing.T) {
	found := map[string]bool{}
	for _, f := range engineFiles(t) {
		found[f.dir()] = true
	}
	for _, dir := range []string{"pgm/packet", "spm", "nak", "ncf", "congestion", "internal/window", "pgm/source", "pgm/receiver"} {
		if !found[dir] {
			t.Errorf("no file of %s was looked at", dir)
		}
	}
}

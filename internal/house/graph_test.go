package house

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// rows is the drawing of ARCHITECTURE.md, from the programs down to what everything stands on. A package imports packages of
// rows below its own, and no others of the module. A name that ends in a slash stands for all that is below it.
var rows = [][]string{
	{"cmd/", "examples/", "conformance/interop", "internal/lab", "internal/lab/group", "internal/house", "internal/mutants", "internal/testreport"},
	{"internal/console", "conformance"},
	{"pgm/transfer", "vsync"},
	{"pgm", "internal/sim"},
	{"pgm/source", "pgm/receiver", "pgm/element", "vsync/member", "pcap"},
	{"ncf"},
	{"spm", "nak", "fec", "congestion", "pgm/poll", "pgm/leg", "internal/window", "vsync/check"},
	{"pgm/packet", "mld", "internal/netio", "internal/mroute", "internal/netns", "internal/script"},
	{"internal/afpacket"},
}

// keepers says which packages alone import what has one place in the house.
var keepers = map[string][]string{
	"golang.org/x/net":           {"internal/netio", "internal/mroute", "internal/afpacket", "mld"},
	"golang.org/x/sys/unix":      {"internal/netio", "internal/mroute", "internal/afpacket", "mld"},
	"github.com/google/gopacket": {"pcap", "conformance"},
	"github.com/klauspost":       {"fec"},
}

// row returns which row of the drawing a package is in.
func row(dir string) (int, bool) {
	for i, r := range rows {
		if slices.ContainsFunc(r, func(room string) bool {
			return room == dir || strings.HasSuffix(room, "/") && strings.HasPrefix(dir, room)
		}) {
			return i, true
		}
	}
	return 0, false
}

func TestEveryPackageHasARoom(t *testing.T) {
	for _, f := range files(t) {
		if _, ok := row(f.dir()); !ok {
			t.Errorf("%s: package %s is not in the drawing (graph_test.go and ARCHITECTURE.md)", f.name, f.dir())
		}
	}
}

func TestImportsGoDown(t *testing.T) {
	for _, f := range files(t) {
		if f.isTest() {
			continue
		}
		from, _ := row(f.dir())
		for _, p := range f.imports(t) {
			dir, ours := strings.CutPrefix(p, module+"/")
			if !ours {
				continue
			}
			if to, ok := row(dir); !ok || to <= from {
				t.Errorf("%s: %s imports %s, which is not in a row below it", f.name, f.dir(), dir)
			}
		}
	}
}

func TestImportsHaveTheirPlace(t *testing.T) {
	for _, f := range files(t) {
		if f.isTest() {
			continue
		}
		for _, p := range f.imports(t) {
			for what, where := range keepers {
				if within(p, what) && !slices.Contains(where, f.dir()) {
					t.Errorf("%s: %s is imported in %s only", f.name, what, strings.Join(where, " and "))
				}
			}
			if f.dir() == "pgm/packet" && strings.Contains(strings.Split(p, "/")[0], ".") {
				t.Errorf("%s: %s: the vocabulary imports the standard library only", f.name, p)
			}
			if f.dir() == "mld" && within(p, "golang.org/x") && !isSocketFile(f) {
				t.Errorf("%s: %s is imported in mld's socket files only", f.name, p)
			}
		}
	}
}

// within reports whether the import path p is that of parent or of a package below it.
func within(p, parent string) bool { return p == parent || strings.HasPrefix(p, parent+"/") }

// isSocketFile reports whether f is one of the files that keep an engine's package in touch with the system.
func isSocketFile(f *file) bool { return strings.HasPrefix(path.Base(f.name), "socket") }

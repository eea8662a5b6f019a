package main

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
)

// mistake is a way to break an engine.
type mistake struct {
	name     string
	says     string   // what the broken engine does
	clauses  []string // that it breaks
	file     string   // from the root of the module, with slashes
	old, new string   // what is in the file, once, and what takes its place
	packages []string // whose tests are run: those of the file, and others that are named
	room     string   // the file of the folder mistakes that it is in
}

//go:embed mistakes/*.txt
var folder embed.FS

// rooms are the files of the folder mistakes, in the order of the document.
var rooms = []string{"source", "confirm", "receiver", "recovery", "parity", "parent", "congestion", "element", "format", "option"}

// mistakes returns all mistakes.
func mistakes() ([]mistake, error) {
	var all []mistake
	for _, room := range rooms {
		b, err := folder.ReadFile("mistakes/" + room + ".txt")
		if err != nil {
			return nil, err
		}
		some, err := readMistakes(string(b))
		if err != nil {
			return nil, fmt.Errorf("mistakes/%s.txt: %w", room, err)
		}
		for i := range some {
			some[i].room = room
		}
		all = append(all, some...)
	}
	return all, nil
}

// readMistakes reads mistakes, each of which is
//
//	mistake NAME
//	says WHAT THE BROKEN ENGINE DOES
//	breaks CLAUSE...
//	in FILE
//	tests PACKAGE...     of more than the file's package; may be missing
//	- OLD TEXT           of as many lines as there are
//	+ NEW TEXT           likewise; may be missing
//
// Lines that are empty, or begin with #, are for the reader.
func readMistakes(text string) ([]mistake, error) {
	var all []mistake
	var m *mistake
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		key, rest, _ := strings.Cut(line, " ")
		if key == "mistake" {
			all = append(all, mistake{name: rest})
			m = &all[len(all)-1]
			continue
		}
		if m == nil {
			return nil, fmt.Errorf("line %d is of no mistake", n)
		}
		switch key {
		case "says":
			m.says = rest
		case "breaks":
			m.clauses = strings.Fields(rest)
		case "in":
			m.file = rest
			m.packages = append(m.packages, path.Dir(rest))
		case "tests":
			m.packages = append(m.packages, strings.Fields(rest)...)
		case "-":
			m.old = join(m.old, rest)
		case "+":
			m.new = join(m.new, rest)
		default:
			return nil, fmt.Errorf("line %d begins with %q", n, key)
		}
	}
	for _, m := range all {
		if m.name == "" || m.says == "" || len(m.clauses) == 0 || m.file == "" || m.old == "" || m.old == m.new {
			return nil, fmt.Errorf("mistake %q is not whole", m.name)
		}
	}
	return all, nil
}

// join appends a line to lines that end without a newline.
func join(lines, line string) string {
	if lines == "" {
		return line
	}
	return lines + "\n" + line
}

// matching returns the mistakes whose name, room, file or clauses have one of the words in them, which are separated by commas; all for none.
func matching(all []mistake, words string) []mistake {
	return slices.DeleteFunc(slices.Clone(all), func(m mistake) bool {
		text := m.name + " " + m.room + " " + m.file + " " + strings.Join(m.clauses, " ")
		return !slices.ContainsFunc(strings.Split(words, ","), func(w string) bool { return strings.Contains(text, w) })
	})
}

package transfer

import (
	"fmt"
	"hash/maphash"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of a name in a manifest.
const (
	MaxComponent = 255  // octets between two slashes
	MaxName      = 4096 // octets
)

// NameError says why a name is refused. It is an ErrName.
type NameError struct {
	Name   string
	Reason string
}

// Error quotes the name, shortened: it may hold anything.
func (e *NameError) Error() string {
	return fmt.Sprintf("name %s refused: %s", quoteName(e.Name), e.Reason)
}

// Unwrap returns ErrName.
func (e *NameError) Unwrap() error { return ErrName }

// quoteName makes a name that comes from elsewhere fit for a terminal.
func quoteName(name string) string {
	const most = 120
	if len(name) > most {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(name[:most], "�"))
	}
	return fmt.Sprintf("%q", name)
}

// CheckName returns an error, a *NameError, unless name may be given to a file beneath a destination directory: a relative path
// of components between single slashes, in UTF-8, that means the same on every system and cannot lead out of the directory.
// What a name means on Windows alone is refused where it would matter: separators and drives everywhere, since they change what
// the path is; device names, which are ordinary names elsewhere (aux.c), on Windows.
func CheckName(name string) error { return checkName(name, runtime.GOOS == "windows") }

func checkName(name string, windows bool) error {
	refuse := func(reason string) error { return &NameError{name, reason} }
	switch {
	case name == "":
		return refuse("empty")
	case len(name) > MaxName:
		return refuse(fmt.Sprintf("longer than %d octets", MaxName))
	case !utf8.ValidString(name):
		return refuse("not UTF-8")
	case name[0] == '/':
		return refuse("absolute")
	case strings.ContainsRune(name, '\\'):
		return refuse("contains a backslash")
	case len(name) >= 2 && name[1] == ':' && isLetter(name[0]):
		return refuse("begins with a drive")
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return refuse("contains a control character")
		}
	}
	for c := range strings.SplitSeq(name, "/") {
		switch {
		case c == "":
			return refuse("has an empty component")
		case c == ".", c == "..":
			return refuse("has a component " + c)
		case len(c) > MaxComponent:
			return refuse(fmt.Sprintf("has a component longer than %d octets", MaxComponent))
		case isOurs(c):
			return refuse("is one that receivers use for unfinished files")
		}
		if windows {
			if reason := refusedOnWindows(c); reason != "" {
				return refuse(reason)
			}
		}
	}
	if windows && !filepath.IsLocal(filepath.FromSlash(name)) {
		return refuse("not a name beneath a directory")
	}
	return nil
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// refusedOnWindows returns why Windows would not make a file of the name c, or would make one of another name.
func refusedOnWindows(c string) string {
	if strings.ContainsAny(c, `<>:"|?*`) {
		return "contains a character that Windows does not allow"
	}
	if last := c[len(c)-1]; last == '.' || last == ' ' {
		return "ends in a dot or space, which Windows drops"
	}
	base, _, _ := strings.Cut(c, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return "is a device on Windows"
	}
	if rest, ok := strings.CutPrefix(base, "COM"); ok || strings.HasPrefix(base, "LPT") {
		if !ok {
			rest = base[3:]
		}
		switch rest {
		case "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³":
			return "is a device on Windows"
		}
	}
	return ""
}

// names is the set of those that a session has given to objects, to refuse the second of two that would be one file. It holds hashes of 128
// bits: a session may have a million names.
type names struct {
	taken map[[2]uint64]struct{}
	seeds [2]maphash.Seed
	fold  bool // the destination's file system does not tell upper from lower case
}

func newNames(fold bool) *names {
	return &names{taken: make(map[[2]uint64]struct{}), seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, fold: fold}
}

// take adds name, and fails if it is taken.
func (n *names) take(name string) error {
	key := name
	if n.fold {
		key = foldCase(name)
	}
	hash := [2]uint64{maphash.String(n.seeds[0], key), maphash.String(n.seeds[1], key)}
	if _, ok := n.taken[hash]; ok {
		if n.fold {
			return &NameError{name, "given before, but for upper and lower case at most"}
		}
		return &NameError{name, "given before"}
	}
	n.taken[hash] = struct{}{}
	return nil
}

// foldCase maps names that differ in case only to one: each character to the least of its case variants.
func foldCase(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, name)
}

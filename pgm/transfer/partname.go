package transfer

import (
	"encoding/binary"
	"encoding/hex"
	"path"
	"strings"
	"unicode/utf8"

	"lukechampine.com/blake3"
)

// Beside the final name of an unfinished file lie its content and the record of which blocks of it are there:
//
//	.name.0123456789abcdef.part
//	.name.0123456789abcdef.part-state
//
// The digits are of a hash over what tells one version of the file from another, so that those of two never mix.
const (
	partSuffix  = ".part"
	stateSuffix = "-state" // behind partSuffix
	stateNew    = ".new"   // behind stateSuffix, while it is written
	partDigits  = 16
)

// partName returns the name of the unfinished file for o, in the same directory.
func partName(o *Object) string {
	id := make([]byte, 0, 256)
	id = binary.BigEndian.AppendUint64(id, uint64(o.Size))
	id = binary.BigEndian.AppendUint64(id, uint64(o.ModTime))
	sum := blake3.Sum256(append(id, o.Name...))
	dir, base := path.Split(o.Name)
	if most := MaxComponent - len("..") - partDigits - len(partSuffix+stateSuffix+stateNew); len(base) > most {
		for !utf8.RuneStart(base[most]) {
			most--
		}
		base = base[:most]
	}
	return dir + "." + base + "." + hex.EncodeToString(sum[:partDigits/2]) + partSuffix
}

// isOurs reports whether a component of a name is one that partName, or what goes with it, could have made.
func isOurs(c string) bool {
	c = strings.TrimSuffix(strings.TrimSuffix(c, stateNew), stateSuffix)
	c, ok := strings.CutSuffix(c, partSuffix)
	if !ok || len(c) < len("..")+partDigits || c[0] != '.' || c[len(c)-partDigits-1] != '.' {
		return false
	}
	for _, d := range []byte(c[len(c)-partDigits:]) {
		if !('0' <= d && d <= '9' || 'a' <= d && d <= 'f') {
			return false
		}
	}
	return true
}

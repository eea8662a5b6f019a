package interop

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const document = "../../docs/interop.md"

// The matrix of the document is between these.
const (
	matrixBegins = "<!-- matrix: go test ./conformance/interop -run TestDocument -rewrite -->\n"
	matrixEnds   = "<!-- end -->\n"
)

// matrix draws what the labs are, each for both transports.
func matrix() string {
	ours := map[string]string{
		"source messages": "`ListenPacket`", "source stream": "`Listen`", "source lines": "`pgmrecv --lines`",
		"source stdout": "`pgmrecv --stdout`", "source zeromq": "`examples/zeromq sub`",
		"receiver messages": "`ListenPacket`", "receiver framed": "`Dial`, `WriteMessage`", "receiver stream": "`Dial`, `Write`",
		"receiver lines": "`pgmsend --lines`", "receiver zeromq": "`examples/zeromq pub`",
	}
	stack := map[string]string{"openpgm": "OpenPGM", "zeromq": "ZeroMQ"}
	var b strings.Builder
	b.WriteString("| source | receiver | | loss | sources | messages | octets | largest | `epgm://` | `pgm://` |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|\n")
	all := labs()
	mark := func(x lab) string {
		if x.always {
			return "always"
		}
		return "full"
	}
	for _, x := range all {
		if x.raw {
			continue
		}
		twin := x
		for _, y := range all {
			if strings.TrimSuffix(y.name, "/pgm") == strings.TrimSuffix(x.name, "/epgm") {
				twin = y
			}
		}
		source, receiver := stack[x.peer], ours["source "+x.ours]
		if x.peerIs == "receiver" {
			source, receiver = ours["receiver "+x.ours], stack[x.peer]
		}
		octets, largest := 0, 0
		for i := range x.Count {
			octets += x.size(uint32(i))
			largest = max(largest, x.size(uint32(i)))
		}
		_, what, _ := strings.Cut(strings.TrimSuffix(x.name, "/epgm"), "/")
		fmt.Fprintf(&b, "| %s | %s | %s | %d %% | %d | %d | %d | %d | %s | %s |\n", source, receiver, what, x.loss, x.sources,
			x.Count*x.sources, octets*x.sources, largest, mark(x), mark(twin))
	}
	return b.String()
}

// The document has the labs that there are, and a reason for each finding that is listed.
func TestDocument(t *testing.T) {
	b, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	before, rest, ok := strings.Cut(text, matrixBegins)
	drawn, after, ended := strings.Cut(rest, matrixEnds)
	if !ok || !ended {
		t.Fatal("the document has no place for the matrix")
	}
	if drawn != matrix() {
		if !*rewrite {
			t.Error("the matrix is not that of the labs (go test -rewrite)")
		} else if err := os.WriteFile(document, []byte(before+matrixBegins+matrix()+matrixEnds+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, whose := range []string{"openpgm-source", "openpgm-receiver", "zeromq-source", "zeromq-receiver"} {
		l, err := readList(whose)
		if err != nil {
			t.Fatal(err)
		}
		for key := range l {
			rule, clause, _ := strings.Cut(key, " ")
			if !strings.Contains(text, fmt.Sprintf("| [%s] `%s` |", clause, rule)) {
				t.Errorf("%s: the document does not explain %s", whose, key)
			}
		}
	}
}

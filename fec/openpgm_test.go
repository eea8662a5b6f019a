package fec

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// openPGM returns a program around the codec of OpenPGM; without its library or a compiler the test is skipped.
func openPGM(t testing.TB) string {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler")
	}
	name := filepath.Join(t.TempDir(), "openpgm")
	out, err := exec.Command(cc, "-O2", "-o", name, filepath.Join("testdata", "openpgm.c"), "-l:libpgm.a", "-lpthread", "-lm", "-lrt").CombinedOutput()
	if err != nil {
		if bytes.Contains(out, []byte("cannot find -l")) {
			t.Skip("OpenPGM's static library is missing (libpgm-dev)")
		}
		t.Fatalf("%v: %s", err, out)
	}
	return name
}

// What OpenPGM's own codec computes from the same packets.
func TestParityIsOpenPGMs(t *testing.T) {
	program := openPGM(t)
	r := rand.New(rand.NewPCG(7, 8))
	for k := MinGroup; k <= MaxGroup; k *= 2 {
		c := NewCodec(k)
		for _, j := range []int{0, 1, min(k-1, 254-k), min(k+1, 254-k), 254 - k} {
			data, got := randomPackets(r, k, 100), randomPackets(r, 1, 100)
			c.Encode(got, j, data)
			cmd := exec.Command(program, "encode", strconv.Itoa(k), strconv.Itoa(j), "100")
			cmd.Stdin = bytes.NewReader(slices.Concat(data...))
			cmd.Stderr = os.Stderr
			want, err := cmd.Output()
			if err != nil {
				t.Fatalf("k=%d j=%d: %v", k, j, err)
			}
			if !bytes.Equal(got[0], want) {
				t.Errorf("k=%d: parity packet %d is %x, OpenPGM's %x", k, j, got[0], want)
			}
		}
	}
}

// openPGMSpeed returns how many nanoseconds OpenPGM takes for h parity packets, and to bring back h data packets from them, at its best.
func openPGMSpeed(t testing.TB, program string, k, h, size int) (encode, decode float64) {
	t.Helper()
	out, err := exec.Command(program, "speed", strconv.Itoa(k), strconv.Itoa(h), strconv.Itoa(size)).Output()
	if err == nil {
		_, err = fmt.Sscan(string(out), &encode, &decode)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return encode, decode
}

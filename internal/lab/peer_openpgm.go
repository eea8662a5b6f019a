//go:build linux

package main

import (
	"context"
	_ "embed"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	openpgmName  = "openpgm"
	openpgmGroup = "239.77.0.2"
	openpgmPort  = "3056"
)

// openpgmSource is a file sender and receiver over OpenPGM's public API, which
// comes as a library without programs.
//
//go:embed openpgm/bulk.c
var openpgmSource []byte

// openpgm is OpenPGM (Debian package libpgm-dev) with full frames, a large
// window, and the rate that the cell names: it has no congestion control that
// works, and without a rate it loses its own session.
type openpgm struct{ binary string }

// buildOpenPGM compiles the program into dir.
func buildOpenPGM(ctx context.Context, dir string) (*openpgm, error) {
	source, binary := filepath.Join(dir, "bulk.c"), filepath.Join(dir, "openpgm-bulk")
	if err := os.WriteFile(source, openpgmSource, 0o600); err != nil {
		return nil, err
	}
	flags, err := commandOutput(ctx, "pkg-config", "--cflags", "--libs", "openpgm-5.3")
	if err != nil {
		return nil, err
	}
	argv := append([]string{"-O2", "-o", binary, source}, strings.Fields(string(flags))...)
	return &openpgm{binary}, command(ctx, "cc", argv...)
}

func (*openpgm) name() string          { return openpgmName }
func (*openpgm) plays(c Cell) bool     { return !c.behaviour() && c.PGMRate > 0 }
func (*openpgm) group() netip.Addr     { return netip.MustParseAddr(openpgmGroup) }
func (*openpgm) receiversExit() bool   { return true }
func (*openpgm) settle() time.Duration { return 500 * time.Millisecond }

func (o *openpgm) receiver(c Cell, i int, dir string) []string {
	return []string{o.binary, "receive", openpgmNetwork(i), openpgmPort, filepath.Join(dir, payloadName),
		strconv.FormatInt(c.Size, 10)}
}

func (o *openpgm) sender(c Cell, file string) []string {
	return []string{o.binary, "send", openpgmNetwork(0), openpgmPort, file, strconv.FormatInt(int64(c.PGMRate*1e6/8), 10)}
}

// openpgmNetwork names interface and group as OpenPGM writes them.
func openpgmNetwork(i int) string { return fmt.Sprintf("%s;%s", hostAddr(i), openpgmGroup) }

func (*openpgm) senderStays() bool { return true }

// figures: the program prints none that compare with ours.
func (*openpgm) figures([]byte, [][]byte) figures { return figures{} }

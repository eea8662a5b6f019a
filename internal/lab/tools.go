//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// A tool is a command that the lab calls, and the Debian package that has it.
type tool struct{ command, debian string }

// rigTools are needed for any run.
var rigTools = []tool{
	{"ip", "iproute2"},
	{"tc", "iproute2"},
	{"nft", "nftables"},
	{"ethtool", "ethtool"},
}

// peerTools are needed to run the peers.
var peerTools = map[string][]tool{
	uftpName:    {{"uftp", "uftp"}, {"uftpd", "uftp"}},
	udpcastName: {{"udp-sender", "udpcast"}, {"udp-receiver", "udpcast"}},
	openpgmName: {{"cc", "gcc"}, {"pkg-config", "pkg-config"}},
}

// tcpTools are needed for flows that compete.
var tcpTools = []tool{{"iperf3", "iperf3"}}

// errNotRoot says that the lab was started by an ordinary user.
var errNotRoot = errors.New("network namespaces need root")

// missingTools returns those that are not on the PATH.
func missingTools(tools []tool) []tool {
	return slices.DeleteFunc(slices.Clone(tools), func(t tool) bool {
		_, err := exec.LookPath(t.command)
		return err == nil
	})
}

// installLine is what a person types to get the tools.
func installLine(tools []tool) []string {
	argv := []string{"apt-get", "install", "-y"}
	for _, t := range tools {
		if !slices.Contains(argv, t.debian) {
			argv = append(argv, t.debian)
		}
	}
	return argv
}

// checkTools makes sure that the lab can run at all, or says what it lacks. If
// asked to, it installs what is missing.
func checkTools(ctx context.Context, more []tool, install bool, stderr io.Writer) error {
	if os.Geteuid() != 0 {
		return errNotRoot
	}
	tools := append(slices.Clone(rigTools), more...)
	missing := missingTools(tools)
	if len(missing) == 0 {
		return nil
	}
	argv := installLine(missing)
	if install {
		fmt.Fprintf(stderr, "lab: %s\n", strings.Join(argv, " "))
		if err := command(ctx, argv[0], argv[1:]...); err != nil {
			return err
		}
		missing = missingTools(tools)
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s is missing: %s, or use --install", missing[0].command, strings.Join(argv, " "))
	}
	return nil
}

// command runs a tool; its error has the command line and what the tool said.
func command(ctx context.Context, name string, args ...string) error {
	_, err := commandOutput(ctx, name, args...)
	return err
}

// commandOutput is command with the standard output.
func commandOutput(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(errOut.String()))
	}
	return out.Bytes(), nil
}

// Command testreport runs a "go test -json" command and prints what a person wants to read of it: the line of each package as
// it ends, all that a failed test said, the skipped tests with their reasons, and how many there were of each.
//
//	testreport go test -json ./...
//
// Its exit status is 0 if the command's is and nothing failed, else 1.
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprintln(stderr, "usage: testreport go test -json PACKAGES...")
		return 2
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(stderr, "testreport:", err)
		return 1
	}
	r := newReport(stdout)
	if err := r.read(out); err != nil {
		fmt.Fprintln(stderr, "testreport:", err)
		io.Copy(io.Discard, out) // so that the command can end
	}
	err = cmd.Wait()
	r.close()
	if err != nil {
		fmt.Fprintf(stderr, "testreport: %s: %v\n", args[0], err)
		return 1
	}
	if r.failed > 0 {
		return 1
	}
	return 0
}

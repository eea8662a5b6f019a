package console

import (
	"errors"
	"io/fs"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// RateFlag is the value of a flag that takes a rate in bits a second.
type RateFlag int

// String returns the rate in bits a second, nothing if there is none.
func (r *RateFlag) String() string {
	if *r == 0 {
		return ""
	}
	return FormatRate(float64(*r) / 8)
}

// Set reads the rate.
func (r *RateFlag) Set(s string) error {
	v, err := ParseRate(s)
	if err == nil {
		*r = RateFlag(v)
	}
	return err
}

// Type names the kind of value.
func (r *RateFlag) Type() string { return "rate" }

// Complaint turns what the flag library says of a mistake into one line in the words of our programs.
func Complaint(err error) string {
	s := err.Error()
	if name, ok := strings.CutPrefix(s, "unknown flag: "); ok {
		return "there is no flag " + name
	}
	if rest, ok := strings.CutPrefix(s, "unknown shorthand flag: "); ok {
		return "there is no flag " + rest
	}
	if rest, ok := strings.CutPrefix(s, "invalid argument "); ok { // "x" for "-r, --rate" flag: what is wrong with it
		if _, rest, ok = strings.Cut(rest, ` for "`); ok {
			if name, reason, ok := strings.Cut(rest, `" flag: `); ok {
				if i := strings.Index(name, "--"); i > 0 {
					name = name[i:]
				}
				value := strings.TrimPrefix(err.Error(), "invalid argument ")
				value, _, _ = strings.Cut(value, ` for "`)
				switch {
				case strings.HasPrefix(reason, "time: "):
					reason = value + " is not a duration such as 30s or 5m"
				case strings.HasPrefix(reason, "strconv."):
					reason = value + " is not a number"
				}
				return name + ": " + reason
			}
		}
	}
	return s
}

// Explain returns what is wrong, without the names of the packages that the error came through, or of the system call that met it.
func Explain(err error) string {
	s := err.Error()
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		s = strings.Replace(s, e.Error(), e.Path+": "+e.Err.Error(), 1)
		s = strings.Replace(s, e.Path+": "+e.Path+": ", e.Path+": ", 1) // who adds a path does not know that it is there
	}
	if e := (*net.OpError)(nil); errors.As(err, &e) && e.Op == "read" {
		s = strings.Replace(s, e.Error(), e.Err.Error(), 1) // who reads knows from where
	}
	for {
		head, rest, ok := strings.Cut(s, ": ")
		if !ok || !packages[head] {
			return s
		}
		s = rest
	}
}

// About says what is wrong with something that has a name, once: the error may have it, quoted or not.
func About(name string, err error) string {
	s := Explain(err)
	if strings.HasPrefix(s, name+": ") || strings.Contains(s, "/"+name+": ") || strings.Contains(s, strconv.Quote(name)) {
		return Visible(s)
	}
	return Visible(name) + ": " + Visible(s)
}

var packages = map[string]bool{"pgm": true, "transfer": true, "source": true, "receiver": true, "pgmsend": true, "pgmrecv": true}

// NewFlags returns a flag set that prints nothing by itself.
func NewFlags(program string) *pflag.FlagSet {
	f := pflag.NewFlagSet(program, pflag.ContinueOnError)
	f.SetInterspersed(true)
	f.Usage = func() {}
	return f
}

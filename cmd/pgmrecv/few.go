package main

import "github.com/gopgm/gopgm/internal/console"

// few says what can be said very often a few times, and at last how often more it would have been.
type few struct{ n int }

// mostSaid is how often something is said.
const mostSaid = 10

func (f *few) say(d *console.Display, format string, args ...any) {
	if f.n++; f.n <= mostSaid {
		d.Printf(format, args...)
	}
}

// rest says how many more there were; what names one of them.
func (f *few) rest(d *console.Display, what string) {
	if more := f.n - mostSaid; more > 0 {
		d.Printf("and more like that: %s", console.Plural(more, what))
	}
}

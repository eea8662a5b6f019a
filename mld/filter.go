package mld

import (
	"net/netip"
	"slices"
	"strings"
)

// Filter says which sources of a group somebody wants to hear [4]: those of the list, or all but those. The zero Filter wants nothing. The
// filters that the engines hand out are sorted and have no source twice.
type Filter struct {
	Exclude bool // the filter mode is EXCLUDE
	Sources []netip.Addr
}

// AnySource is the filter of who wants all sources: EXCLUDE {}.
var AnySource = Filter{Exclude: true}

// Include returns the filter of who wants the given sources only.
func Include(sources ...netip.Addr) Filter { return Filter{Sources: sources} }

// Empty reports whether the filter wants nothing.
func (f Filter) Empty() bool { return !f.Exclude && len(f.Sources) == 0 }

// Accepts reports whether the filter wants what source sends.
func (f Filter) Accepts(source netip.Addr) bool {
	return f.Exclude != slices.Contains(f.Sources, source)
}

// Equal reports whether f and g are the same filter. Both are sorted.
func (f Filter) Equal(g Filter) bool {
	return f.Exclude == g.Exclude && slices.Equal(f.Sources, g.Sources)
}

// String returns, say, "EXCLUDE {fe80::1}".
func (f Filter) String() string {
	mode := "INCLUDE"
	if f.Exclude {
		mode = "EXCLUDE"
	}
	return mode + " {" + join(f.Sources) + "}"
}

func join(list []netip.Addr) string {
	var s []string
	for _, a := range list {
		s = append(s, a.String())
	}
	return strings.Join(s, " ")
}

// Merge returns what an interface has to receive so that everybody behind it has what it wants [4.2]. "If *any* such record has a filter
// mode of EXCLUDE, then the filter mode of the interface record is EXCLUDE, and the source list of the interface record is the intersection of
// the source lists of all socket records in EXCLUDE mode, minus those source addresses that appear in any socket record in INCLUDE mode."
// "If *all* such records have a filter mode of INCLUDE, then [...] the source list of the interface record is the union".
func Merge(filters ...Filter) Filter {
	var wanted, unwanted []netip.Addr
	exclude := false
	for _, f := range filters {
		list := set(f.Sources)
		switch {
		case !f.Exclude:
			wanted = union(wanted, list)
		case !exclude:
			exclude, unwanted = true, list
		default:
			unwanted = intersection(unwanted, list)
		}
	}
	if exclude {
		return Filter{true, minus(unwanted, wanted)}
	}
	return Filter{false, wanted}
}

// The sets of sources of the RFC's tables are sorted lists: A+B, A*B and A-B.

// set returns a copy of list, sorted, with nothing twice.
func set(list []netip.Addr) []netip.Addr {
	s := slices.Clone(list)
	slices.SortFunc(s, netip.Addr.Compare)
	return slices.Compact(s)
}

func union(a, b []netip.Addr) []netip.Addr {
	return set(append(slices.Clone(a), b...))
}

func intersection(a, b []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(a), func(x netip.Addr) bool { return !contains(b, x) })
}

func minus(a, b []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(a), func(x netip.Addr) bool { return contains(b, x) })
}

func contains(sorted []netip.Addr, x netip.Addr) bool {
	_, ok := slices.BinarySearchFunc(sorted, x, netip.Addr.Compare)
	return ok
}

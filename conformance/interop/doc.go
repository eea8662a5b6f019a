// Package interop has no code of its own: its tests are labs in which the sockets and programs of this module meet other stacks,
// OpenPGM and ZeroMQ, in network namespaces that each lab makes for itself. What is sent is known octet by octet, so each
// receiver verifies all of it; what passed the wire is captured at each host and judged by package conformance: this module's
// packets break no clause, and those of a peer exactly the clauses that are listed in testdata and explained in docs/interop.md.
//
// The peers are small programs on the public interfaces of those stacks (conformance/openpgm, conformance/zeromq), which the
// tests compile. Captures of each peer in each role are kept in testdata, and replayed by tests that need neither peers nor
// privileges.
//
//	go test ./conformance/interop                          what is fast, as root
//	GOPGM_INTEROP=full go test -v ./conformance/interop    every combination
//	go test ./conformance/interop -rewrite                 captures and lists anew
package interop

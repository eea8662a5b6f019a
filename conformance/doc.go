// Package conformance judges captures of PGM traffic against RFC 3208, clause by clause, and keeps the ledger of what the RFC
// demands and how each demand is held in this module.
//
// Check follows each session and each receiver through the packets of a capture, with their times, and yields findings: which
// clause was broken, by which packet, what was seen and what is demanded. A Rule is what fires; there is one file for each noun of
// the RFC. A capture shows what passed one place, so rules fire on what they see, and on what is missing only where the capture
// has shown no gap in what the source sent; Config says more about a capture than it shows by itself.
//
// Memory is bounded whatever the capture holds, and the work for a packet does not depend on those before it. What was not judged,
// and why, is part of the Verdict.
package conformance

//go:generate go test . -run TestDocument -rewrite

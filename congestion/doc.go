// Package congestion keeps a source within what it may send. Its buckets hold the transmit rate
// regulation of RFC 3208 §5.1.2: a TokenBucket for the sustained rate, a LeakyBucket for the rate of
// packets that follow each other, and a Pacer that is both, as a source uses them (TXW_MAX_RTE,
// §5.1.1). Rates are in bytes a second, of whatever the caller counts as a packet's size.
//
// A Controller finds the rate: PGMCC as draft-ietf-rmt-bb-pgmcc-03 has it, or Auto. A Reporter is the
// receiver's part of both. Their formats are OPT_PGMCC_DATA and OPT_PGMCC_FEEDBACK (Data, Echo), the
// ACK, and two options of our own (Probe, Reception). Report and Worst are OPT_CR and its ageing (§12).
// docs/congestion.md says what Auto does, and why.
//
// Time is an argument, and continuous: there is no tick. Nothing here is safe for concurrent use, and
// nothing allocates once it is made.
package congestion

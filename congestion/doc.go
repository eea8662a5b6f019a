// Package congestion keeps a source within what it may send. Its buckets hold the transmit rate
// regulation of RFC 3208 §5.1.2: a TokenBucket for the sustained rate, a LeakyBucket for the rate of
// packets that follow each other, and a Pacer that is both, as a source uses them (TXW_MAX_RTE,
// §5.1.1). Rates are in bytes a second, of whatever the caller counts as a packet's size.
//
// Time is an argument, and continuous: there is no tick. Nothing here is safe for concurrent use, and
// nothing allocates once it is made.
package congestion

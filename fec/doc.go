// Package fec is parity repair (RFC 3208 Appendix A, §11): Reed-Solomon over GF(2^8) with the generator matrix of the deployed
// stacks, transmission groups and their arithmetic, the options OPT_PARITY_PRM, OPT_PARITY_GRP and OPT_CURR_TGSIZE, parity packets
// with their encoded lengths and options, what a source owes of them (Plan, Encoder, Adapter) and what a receiver does with them
// (Groups, Job, Decoder).
//
// A group is PARITY_PRM_TGS consecutive packets, k of them, a power of two, or fewer if it was ended early. Any k of its data and
// parity packets bring back the rest.
//
// Nothing here has a goroutine, a lock or a clock. No type is safe for concurrent use, but work can be spread: an Encoder or a
// Decoder holds all that coding needs, and a Job belongs to one group and to whoever runs it.
package fec

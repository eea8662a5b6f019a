// Package mld implements Multicast Listener Discovery for IPv6, version 1 (RFC 2710) and 2 (RFC 3810), and, with the same machines, the
// Internet Group Management Protocol for IPv4, version 1 to 3 (RFC 1112, 2236, 3376): the formats, the machine of a Listener, that
// of a Router with the election of the querier, and the Proxy between them (RFC 4605). It knows no PGM.
//
// The two families differ in formats and addresses, not in what they do: IGMPv2 is MLDv1 and IGMPv3 is MLDv2. Where the text of this
// package names a section, it is one of RFC 3810, or with v1 in front, one of RFC 2710.
//
// Listener, Router and Proxy are engines: time, randomness and packets go in, packets come out, and none is safe for concurrent use.
// Querier and Port join them to an interface of Linux.
package mld

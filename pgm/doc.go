// Package pgm has sockets for PGM, reliable multicast as of RFC 3208, that feel like those of package net. Its packets travel
// in UDP, as those of OpenPGM and ZeroMQ do ("epgm").
//
// A stream goes from one source to all who listen. The source dials the group and writes; a Listener accepts a net.Conn for each
// source and reads:
//
//	conn, err := pgm.Dial("epgm", "239.192.77.71:7500")       l, err := pgm.Listen("epgm", "239.192.77.71:7500")
//	fmt.Fprintln(conn, "hello, everyone")                     conn, err := l.Accept()
//	conn.Close()                                              io.Copy(os.Stdout, conn)
//
// Messages go from each member of a group to all others: ListenPacket returns a net.PacketConn. Files are the business of
// pgm/transfer. Dialer, ListenConfig and Config have what can be chosen; ParseEndpoint says how endpoints are written.
//
// What is sent is sent at a rate, Config.Rate, whoever hears it. Multicast does not slow down for a receiver: one that misses packets
// asks for them again, as long as the source has them (Config.Window); one that falls further behind gets ErrLost.
//
// Sender and Receiver, on which all of this stands, drive the engines of pgm/source and pgm/receiver in real time: one goroutine owns
// an engine, others read its sockets. They are for programs that keep what they send, or take what comes, in their own way.
package pgm

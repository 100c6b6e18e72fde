// Package ipx knows the Internetwork Packet Exchange protocol on the wire:
// addresses, the packet header, and the four ways a packet is put into an
// Ethernet frame. It opens no socket and routes nothing; package port moves
// frames, packages router and segment decide where packets go.
//
// Novell's definition of IPX is the Xerox Internet Datagram Protocol (XSIS
// 028112) with a changed use of the checksum; the frame types are described in
// Novell's "IPX Router Specification" (part 107-000029-001).
package ipx

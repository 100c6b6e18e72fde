// Package cipx compresses the headers of IPX packets on a link (Telebit's CIPX, RFC
// 1553). IPXCP agrees on it (package ppp/ipxcp); this package only changes packets.
//
// Both ends keep headers in numbered slots. What a flow of packets has in common,
// the 26 octets of hops, type and addresses, goes over the line once and is kept; later packets of the
// flow carry the slot's number in place of it. NCP requests and replies (types 2222
// and 3333) can also be without the six octets of their own header.
//
// # What a line may do
//
// A slot of the IPX kind is used only after the peer has confirmed that it holds the
// header. So a packet that is lost costs that packet and no other, and never arrives
// as another one. A packet that is overtaken could find its slot with a new
// header in it. Therefore we give a slot to another flow only when none of the
// last Config.Quiet packets went through it: the line may be out of order by as many.
//
// Two things that RFC 1553 allows are not safe in this way, and are off unless asked for:
//
//   - An NCP slot is not confirmed, and the sequence number in it is not sent but
//     counted by both ends. After a loss, the session's next packet arrives with the sequence number
//     of the lost one; and if what was lost is the one that filled the slot, with
//     the header of the flow that had the slot before. NCP sends nothing new until it has its answer, and
//     what it sends again does not continue the count and fills the slot anew; that
//     is what the RFC relies on.
//   - A slot's number may be left out when it is that of the packet before. After a loss
//     in silence that may be another packet's.
//
// When a peer does either, this is what its packets suffer; for our own it is our choice.
//
// # What is not certain
//
// No peer other than this package was there to try it with, and of RFC 1553 only the
// parts about regular and confirmed initial packets and about the options of IPXCP were read in full, the rest in outline. Not
// checked against another implementation are: how a length is written (we never send one), that
// an NCP sequence number is counted on by one with each packet, and that a Reject holds the flags that
// are rejected.
package cipx

import "sitebridge/ipx"

// The types of packets, in the low four bits of the flags, which are the first octet (RFC 1553,
// "Compression Header"). All but compressed are odd.
const (
	typeCompressed  = 0 // optional fields, data
	typeRegular     = 1 // whole IPX packet
	typeConfirmed   = 3 // slot, ID, whole IPX packet: to be answered
	typeConfirm     = 5 // slot, ID: the answer
	typeUnconfirmed = 7 // slot, whole IPX packet with NCP in it
	typeReject      = 9 // the flags that are not understood

	typeMask = 0x0F
)

// The fields that a compressed packet has, in this order.
const (
	hasSlot     = 0x80 // 1 octet
	hasChecksum = 0x40 // 2 octets; without: no checksum
	hasLength   = 0x20 // 1 to 3 octets; without: as long as the link says
	hasTask     = 0x10 // 1 octet, in NCP slots only; without: the last one
)

// plain is the first octet of an IPX packet without a checksum: no CIPX header begins so.
const plain = 0xFF

const (
	ipxLen = ipx.HeaderLen
	ncpLen = 6 // type(2) sequence(1) connection, low(1) task(1) connection, high(1)

	offType = ipxLen // of NCP, from the start of the packet
	offSeq  = ipxLen + 2
	offTask = ipxLen + 4

	offSame = 4 // from here on, all packets of a flow have the same header
)

// isNCP reports whether the packet is an NCP request or reply, whose header can
// be compressed: other NCP types have other headers.
func isNCP(b []byte) bool {
	return len(b) >= ipxLen+ncpLen && (b[offType] == 0x22 && b[offType+1] == 0x22 || b[offType] == 0x33 && b[offType+1] == 0x33)
}

// The length field holds the IPX length in one octet below 128, in two with 10 in the
// first bits below 16384, else in three with 11.
const (
	oneOctet  = 1 << 7
	twoOctets = 1 << 14
)

func appendLength(b []byte, n int) []byte {
	switch {
	case n < oneOctet:
		return append(b, byte(n))
	case n < twoOctets:
		return append(b, 0x80|byte(n>>8), byte(n))
	}
	return append(b, 0xC0, byte(n>>8), byte(n))
}

// cutLength reads a length and returns what follows it.
func cutLength(b []byte) (n int, rest []byte, ok bool) {
	switch {
	case len(b) >= 1 && b[0] < 0x80:
		return int(b[0]), b[1:], true
	case len(b) >= 2 && b[0] < 0xC0:
		return int(b[0]&0x3F)<<8 | int(b[1]), b[2:], true
	case len(b) >= 3 && b[0] == 0xC0:
		return int(b[1])<<8 | int(b[2]), b[3:], true
	}
	return 0, nil, false
}

package ipx

import "encoding/binary"

// The functions in this file change a packet in place on its way through a
// router. Each keeps a checksum that is in use right. The packet is whole:
// Check found nothing wrong with it.

// SetHops writes the hop count, which no checksum covers.
func SetHops(pkt []byte, hops byte) { pkt[offHops] = hops }

// SetDstNetwork writes the destination network: the number of the wire over the
// zero of a sender that does not know it, or the next network of a propagated
// broadcast.
func SetDstNetwork(pkt []byte, n Network) { setNetwork(pkt, offDstNetwork, n) }

// SetSrcNetwork writes the source network: the number of the wire over the zero
// of a sender that does not know it, without which no answer finds back.
func SetSrcNetwork(pkt []byte, n Network) { setNetwork(pkt, offSrcNetwork, n) }

// SetDstNode writes the destination node.
func SetDstNode(pkt []byte, n Node) { replace(pkt, offDstNode, n[:]) }

// SetSrcNode writes the source node.
func SetSrcNode(pkt []byte, n Node) { replace(pkt, offSrcNode, n[:]) }

// SetPayload writes value, an even number of octets, at an even offset into the
// packet's data. It panics when the data ends before that.
func SetPayload(pkt []byte, off int, value []byte) {
	_ = pkt[HeaderLen+off : HeaderLen+off+len(value)]
	replace(pkt, HeaderLen+off, value)
}

func setNetwork(pkt []byte, off int, n Network) {
	var value [4]byte
	binary.BigEndian.PutUint32(value[:], uint32(n))
	replace(pkt, off, value[:])
}

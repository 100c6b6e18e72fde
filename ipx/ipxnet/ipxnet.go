// Package ipxnet is the format of IPXNET, by which DOSBox and emulators like it
// carry IPX in UDP (port 213 unless both ends agree on another). There is no
// standard; this is what the clients do.
//
// Each datagram is one IPX packet, header included, and nothing else. A client
// registers with a packet to node zero, socket 2, and takes its own address from
// the destination of the first packet that it gets back, whatever that is. It
// sends its registration once, waits for 5 seconds, and never says that it
// leaves. A broadcast to socket 2 is a ping, which the emulator answers by itself
// with an empty packet to its sender's socket 2.
//
// The emulator puts in none of the checksum, and leaves the packet type of a
// registration as it happens to be; neither is looked at.
package ipxnet

import (
	"sitebridge/ipx"
)

// Socket is where registrations and pings go.
const Socket ipx.Socket = 2

// MaxPacket is the longest packet, with its header, that DOSBox takes in. It cuts
// longer ones.
const MaxPacket = 1424

// A Kind is what a server must tell apart.
type Kind uint8

const (
	Data         Kind = iota // a packet like any other
	Registration             // a client asks for an address
	Ping                     // a broadcast that every client answers
	Pong                     // such an answer, to one node
)

// Read returns the header of the packet that a datagram is, and its kind. What
// follows the length that the header claims is no part of the packet. Errors are
// ipx.DropReasons.
func Read(datagram []byte) (ipx.Header, Kind, error) {
	h, payload, err := ipx.Parse(datagram)
	if err != nil {
		return ipx.Header{}, Data, err
	}
	if h.Length > ipx.MaxLen {
		return ipx.Header{}, Data, ipx.Overlong // no Ethernet carries it
	}
	return h, kind(&h, len(payload)), nil
}

func kind(h *ipx.Header, payload int) Kind {
	switch {
	case h.Dst.Socket != Socket:
		return Data
	case h.Dst.Node.IsZero():
		return Registration
	case payload > 0 || h.Src.Socket != Socket:
		return Data // Cisco's ping uses the socket too
	case h.Dst.Node == ipx.Broadcast:
		return Ping
	}
	return Pong
}

// AppendRegistration appends what a client sends first.
func AppendRegistration(b []byte) []byte {
	return ipx.AppendPacket(b, ipx.Header{
		Dst: ipx.Addr{Socket: Socket}, Src: ipx.Addr{Socket: Socket},
	}, nil)
}

// AppendReply appends the answer to a registration: the client is node from now
// on, on a network whose number it does not know. It is never longer than what it
// answers.
func AppendReply(b []byte, node, server ipx.Node) []byte {
	return ipx.AppendPacket(b, ipx.Header{
		Dst: ipx.Addr{Node: node, Socket: Socket}, Src: ipx.Addr{Node: server, Socket: Socket},
	}, nil)
}

// AppendPing appends a ping from src.
func AppendPing(b []byte, src ipx.Node) []byte {
	return ipx.AppendPacket(b, ipx.Header{
		Dst: ipx.Addr{Node: ipx.Broadcast, Socket: Socket}, Src: ipx.Addr{Node: src, Socket: Socket},
	}, nil)
}

// AppendPong appends a client's answer to a ping from dst.
func AppendPong(b []byte, dst, src ipx.Node) []byte {
	return ipx.AppendPacket(b, ipx.Header{
		Dst: ipx.Addr{Node: dst, Socket: Socket}, Src: ipx.Addr{Node: src, Socket: Socket},
	}, nil)
}

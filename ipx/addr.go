package ipx

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// A Network is the number of one wire, of one frame type on a wire, or of the
// inside of a server.
type Network uint32

const (
	// ThisNetwork is the network of whoever sends or receives the packet: the
	// sender does not know its number.
	ThisNetwork Network = 0
	// DefaultRoute stands for every network that no other route names.
	DefaultRoute Network = 0xFFFFFFFE
	// AllNetworks asks, in a RIP request, for every route.
	AllNetworks Network = 0xFFFFFFFF
)

// ParseNetwork reads one to eight hexadecimal digits, as NetWare writes them.
func ParseNetwork(s string) (Network, error) {
	if len(s) == 0 || len(s) > 8 || !isHex(s) {
		return 0, fmt.Errorf(`%q is not an IPX network: want one to eight hexadecimal digits, such as "0000BEEF"`, s)
	}
	n, err := strconv.ParseUint(s, 16, 32)
	return Network(n), err
}

// Assignable reports whether a wire may have this number: it is neither
// unknown nor one of the two that have a meaning of their own.
func (n Network) Assignable() bool { return n != ThisNetwork && n < DefaultRoute }

// String returns eight upper-case hexadecimal digits.
func (n Network) String() string { return fmt.Sprintf("%08X", uint32(n)) }

// MarshalText is String, for JSON.
func (n Network) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText is ParseNetwork.
func (n *Network) UnmarshalText(text []byte) (err error) {
	*n, err = ParseNetwork(string(text))
	return err
}

// A Node is a station's address on its wire: on Ethernet its MAC address.
type Node [6]byte

// Broadcast is every node of a network.
var Broadcast = Node{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}

// ServerNode is the only node of a server's or router's internal network. Every
// server has it, so a node without its network says nothing.
var ServerNode = Node{5: 1}

// ParseNode reads twelve hexadecimal digits. Colons, hyphens or dots between
// octets, as in a MAC address, are allowed.
func ParseNode(s string) (n Node, err error) {
	digits := strings.NewReplacer(":", "", "-", "", ".", "").Replace(s)
	if len(digits) != 2*len(n) || !isHex(digits) {
		return Node{}, fmt.Errorf(`%q is not an IPX node: want twelve hexadecimal digits, such as "020000001001"`, s)
	}
	_, err = hex.Decode(n[:], []byte(digits))
	return n, err
}

// IsGroup reports whether the node stands for several stations: a broadcast or
// an Ethernet multicast.
func (n Node) IsGroup() bool { return n[0]&1 != 0 }

// IsZero reports whether the node is 000000000000, which no station has.
func (n Node) IsZero() bool { return n == Node{} }

// String returns twelve upper-case hexadecimal digits.
func (n Node) String() string { return fmt.Sprintf("%012X", n[:]) }

// MarshalText is String, for JSON.
func (n Node) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText is ParseNode.
func (n *Node) UnmarshalText(text []byte) (err error) {
	*n, err = ParseNode(string(text))
	return err
}

// A Socket is one program on a station.
type Socket uint16

// Sockets that a router must know. Packets are told apart by socket and not by
// packet type, which implementations fill in differently.
const (
	SocketCiscoPing   Socket = 0x0002
	SocketNCP         Socket = 0x0451 // NetWare Core Protocol server
	SocketSAP         Socket = 0x0452
	SocketRIP         Socket = 0x0453
	SocketNetBIOS     Socket = 0x0455
	SocketDiagnostics Socket = 0x0456
	SocketSerial      Socket = 0x0457 // NetWare's copy-protection broadcast
	SocketIPXWAN      Socket = 0x9004
	SocketSNMP        Socket = 0x900F
	SocketSNMPTrap    Socket = 0x9010
	SocketPing        Socket = 0x9086 // Novell's ping, from the NLSP specification
)

// ParseSocket reads one to four hexadecimal digits.
func ParseSocket(s string) (Socket, error) {
	if len(s) == 0 || len(s) > 4 || !isHex(s) {
		return 0, fmt.Errorf(`%q is not an IPX socket: want one to four hexadecimal digits, such as "0451"`, s)
	}
	n, err := strconv.ParseUint(s, 16, 16)
	return Socket(n), err
}

// String returns four upper-case hexadecimal digits.
func (s Socket) String() string { return fmt.Sprintf("%04X", uint16(s)) }

// MarshalText is String, for JSON.
func (s Socket) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseSocket.
func (s *Socket) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSocket(string(text))
	return err
}

// An Addr is where a packet comes from or goes to.
type Addr struct {
	Network Network
	Node    Node
	Socket  Socket
}

// ParseAddr reads "0000BEEF:000000000001:0451". Leading zeros of the network
// and the socket may be left out.
func ParseAddr(s string) (Addr, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return Addr{}, fmt.Errorf(`%q is not an IPX address: want network:node:socket, such as "0000BEEF:000000000001:0451"`, s)
	}
	network, err := ParseNetwork(parts[0])
	if err != nil {
		return Addr{}, err
	}
	node, err := ParseNode(parts[1])
	if err != nil {
		return Addr{}, err
	}
	socket, err := ParseSocket(parts[2])
	if err != nil {
		return Addr{}, err
	}
	return Addr{network, node, socket}, nil
}

// String returns "0000BEEF:000000000001:0451".
func (a Addr) String() string {
	return a.Network.String() + ":" + a.Node.String() + ":" + a.Socket.String()
}

// MarshalText is String, for JSON.
func (a Addr) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText is ParseAddr.
func (a *Addr) UnmarshalText(text []byte) (err error) {
	*a, err = ParseAddr(string(text))
	return err
}

// isHex reports whether s holds nothing but hexadecimal digits: strconv also
// takes signs and underscores.
func isHex(s string) bool { return strings.Trim(s, "0123456789abcdefABCDEF") == "" }

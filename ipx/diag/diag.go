// Package diag is the format of NetWare's IPX diagnostics (socket 0456): one
// packet asks all nodes of a network what they are, and each says which parts it
// has and, if it routes, which networks it is on.
//
// What is written about it is thin, and responders differ, so both parsers take
// what they understand and leave the rest.
package diag

import (
	"encoding/binary"
	"errors"

	"sitebridge/ipx"
)

// ErrShort is a message that ends before its fixed fields do.
var ErrShort = errors.New("diag: message ends early")

// A Request asks every node but those excluded.
type Request struct {
	Exclude []ipx.Node
}

const nodeLen = len(ipx.Node{})

// MaxExclude is how many nodes fit into a packet that every network carries.
const MaxExclude = (ipx.SafeLen - ipx.HeaderLen - 1) / nodeLen

// ParseRequest reads the payload of a request: a count, and that many nodes. Of
// a list that is cut, what is there counts.
func ParseRequest(b []byte) (Request, error) {
	if len(b) == 0 {
		return Request{}, ErrShort
	}
	var r Request
	n := int(b[0])
	for b = b[1:]; n > 0 && len(b) >= nodeLen; n, b = n-1, b[nodeLen:] {
		r.Exclude = append(r.Exclude, ipx.Node(b[:nodeLen]))
	}
	return r, nil
}

// Append appends the request to b, with at most MaxExclude nodes.
func (r Request) Append(b []byte) []byte {
	nodes := r.Exclude[:min(len(r.Exclude), MaxExclude)]
	b = append(b, byte(len(nodes)))
	for _, n := range nodes {
		b = append(b, n[:]...)
	}
	return b
}

// A ComponentID says what a part of a node is.
type ComponentID byte

// The components.
const (
	IPXSPX           ComponentID = 0
	RouterDriver     ComponentID = 1
	LANDriver        ComponentID = 2
	Shell            ComponentID = 3
	VAPShell         ComponentID = 4
	Router           ComponentID = 5 // has Networks
	FileServerRouter ComponentID = 6 // has Networks
	DOSApplication   ComponentID = 9
)

var components = map[ComponentID]string{
	IPXSPX: "IPX/SPX", RouterDriver: "router driver", LANDriver: "LAN driver", Shell: "shell",
	VAPShell: "VAP shell", Router: "router", FileServerRouter: "file server and router", DOSApplication: "DOS application",
}

// String returns the component in words.
func (c ComponentID) String() string {
	if s, known := components[c]; known {
		return s
	}
	return "unknown"
}

// A NetworkType says what a router's network is.
type NetworkType byte

// The types.
const (
	LAN          NetworkType = 0
	NonDedicated NetworkType = 1 // inside a server that is a workstation too
	Redirected   NetworkType = 2 // a remote line
)

// A Network is one that a router is on.
type Network struct {
	Type   NetworkType
	Number ipx.Network
	Node   ipx.Node // the router's own there
}

// A Component is a part of a node.
type Component struct {
	ID       ComponentID
	Networks []Network // of Router and FileServerRouter
}

// A Response says what a node is.
type Response struct {
	Major, Minor byte       // version of the node's diagnostics
	SPX          ipx.Socket // for further questions by SPX; zero: none are answered
	Components   []Component
}

const (
	responseLen = 5
	networkLen  = 1 + 4 + nodeLen
	// MaxNetworks is how many networks of one router fit, beside its two
	// components, into a packet that every network carries.
	MaxNetworks = (ipx.SafeLen - ipx.HeaderLen - responseLen - 3) / networkLen
)

// ParseResponse reads the payload of a response. It stops at the first component
// that it does not know, or that is cut: what follows cannot be told apart.
func ParseResponse(b []byte) (Response, error) {
	if len(b) < responseLen {
		return Response{}, ErrShort
	}
	r := Response{Major: b[0], Minor: b[1], SPX: ipx.Socket(binary.BigEndian.Uint16(b[2:]))}
	count := int(b[4])
	for b = b[responseLen:]; len(r.Components) < count && len(b) > 0; {
		c, rest, ok := parseComponent(b)
		if !ok {
			break
		}
		r.Components, b = append(r.Components, c), rest
	}
	return r, nil
}

// parseComponent reads the first component of b, which is not empty.
func parseComponent(b []byte) (c Component, rest []byte, ok bool) {
	c.ID, b = ComponentID(b[0]), b[1:]
	if _, known := components[c.ID]; !known {
		return c, nil, false
	}
	if c.ID != Router && c.ID != FileServerRouter {
		return c, b, true
	}
	if len(b) == 0 || len(b) < 1+int(b[0])*networkLen {
		return c, nil, false
	}
	n := int(b[0])
	for b = b[1:]; n > 0; n, b = n-1, b[networkLen:] {
		c.Networks = append(c.Networks, Network{
			Type:   NetworkType(b[0]),
			Number: ipx.Network(binary.BigEndian.Uint32(b[1:])),
			Node:   ipx.Node(b[5:networkLen]),
		})
	}
	return c, b, true
}

// Append appends the response to b, of each component with at most 255 networks;
// MaxNetworks say how many are safe.
func (r Response) Append(b []byte) []byte {
	b = append(b, r.Major, r.Minor)
	b = binary.BigEndian.AppendUint16(b, uint16(r.SPX))
	b = append(b, byte(len(r.Components)))
	for _, c := range r.Components {
		b = append(b, byte(c.ID))
		if c.ID != Router && c.ID != FileServerRouter {
			continue
		}
		nets := c.Networks[:min(len(c.Networks), 255)]
		b = append(b, byte(len(nets)))
		for _, n := range nets {
			b = append(b, byte(n.Type))
			b = binary.BigEndian.AppendUint32(b, uint32(n.Number))
			b = append(b, n.Node[:]...)
		}
	}
	return b
}

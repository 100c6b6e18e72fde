package ipxcp

import (
	"encoding/binary"

	"sitebridge/ipx"
	"sitebridge/ppp/fsm"
)

// The configuration options (RFC 1552, section 3).
const (
	optNetwork     = 1
	optNode        = 2
	optCompression = 3
	optRouting     = 4
	optName        = 5
	optComplete    = 6
)

// A Network option proposes the IPX network number of the link itself, the same
// for both ends. Zero asks the peer to choose (RFC 1552, section 3.1).
func networkOption(n ipx.Network) fsm.Option {
	return fsm.Option{Type: optNetwork, Data: binary.BigEndian.AppendUint32(nil, uint32(n))}
}

func parseNetwork(o fsm.Option) (ipx.Network, bool) {
	if o.Type != optNetwork || len(o.Data) != 4 {
		return 0, false
	}
	return ipx.Network(binary.BigEndian.Uint32(o.Data)), true
}

// A Node option states the sender's own node on the link. Zero asks for one
// (RFC 1552, section 3.2).
func nodeOption(n ipx.Node) fsm.Option { return fsm.Option{Type: optNode, Data: n[:]} }

func parseNode(o fsm.Option) (ipx.Node, bool) {
	if o.Type != optNode || len(o.Data) != len(ipx.Node{}) {
		return ipx.Node{}, false
	}
	return ipx.Node(o.Data), true
}

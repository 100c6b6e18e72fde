package policy

import "sitebridge/ipx"

// IsChatter reports whether a packet is one that routers and servers send for as
// long as they run, to nobody who waits for it: RIP, SAP, NetWare's
// copy-protection broadcasts, diagnostics, and NetBIOS broadcasts. It never keeps a
// link up that is there on demand.
func IsChatter(h *ipx.Header) bool {
	switch h.Dst.Socket {
	case ipx.SocketRIP, ipx.SocketSAP, ipx.SocketSerial, ipx.SocketDiagnostics:
		return true
	case ipx.SocketNetBIOS:
		return h.Type == ipx.TypePropagated || h.Dst.Node == ipx.Broadcast
	}
	switch h.Src.Socket { // answers to them
	case ipx.SocketRIP, ipx.SocketSAP, ipx.SocketDiagnostics:
		return true
	}
	return h.Type == ipx.TypePropagated
}

package policy

import (
	"sitebridge/ipx"
	"sitebridge/ipx/sap"
)

// Limits say what a neighbour may tell us and be told. The zero Limits allow all.
type Limits struct {
	AcceptNetworks, AnnounceNetworks Networks
	AcceptServices, AnnounceServices Services
	// MaxNetworks and MaxServices are how many of each are learned from the
	// neighbour; what is known already is never pushed out. Zero: a default of
	// whoever learns.
	MaxNetworks, MaxServices int
}

// A Propagation says whether NetBIOS broadcasts (packets of type 20) cross a
// wire or link.
type Propagation uint8

// The propagations.
const (
	PropagateOn Propagation = iota
	PropagateOff
	// PropagateReverse takes one only from the wire by which we would send to its
	// source network, so that of several ways one is used.
	PropagateReverse
)

// String is the word of the configuration for it.
func (p Propagation) String() string {
	switch p {
	case PropagateOff:
		return "off"
	case PropagateReverse:
		return "reverse-path"
	}
	return "on"
}

// A Gate is what may cross a link, in route and in bridge mode alike. The zero
// Gate stops what sites seldom want on a slow line and passes the rest.
type Gate struct {
	In, Out Filter // from the peer, and to it
	// PassSerial lets NetWare's copy-protection broadcasts (socket 0457) cross.
	PassSerial bool
	// PassSNMP lets network management (sockets 900F and 9010) cross.
	PassSNMP bool
	// PassNetBIOS lets packets of type 20, and those of socket 0455, cross.
	PassNetBIOS bool
	// Duplicates are destination sockets for which a packet that is the same as
	// one within the last second is dropped: DOS programs resend early on slow
	// lines. Usually none.
	Duplicates []ipx.Socket
}

// A Verdict says why a packet does not cross.
type Verdict uint8

// The verdicts.
const (
	Pass Verdict = iota
	Serial
	SNMP
	NetBIOS
	Filtered
)

// Judge decides about a packet that comes from the peer (in) or goes to it. It
// does not look at Duplicates.
func (g *Gate) Judge(h *ipx.Header, in bool) Verdict {
	switch {
	case !g.PassSerial && h.Dst.Socket == ipx.SocketSerial:
		return Serial
	case !g.PassSNMP && (isSNMP(h.Dst.Socket) || isSNMP(h.Src.Socket)):
		return SNMP
	case !g.PassNetBIOS && (h.Type == ipx.TypePropagated || h.Dst.Socket == ipx.SocketNetBIOS || h.Src.Socket == ipx.SocketNetBIOS):
		return NetBIOS
	}
	f := g.Out
	if in {
		f = g.In
	}
	if len(f) > 0 && !f.Passes(h) {
		return Filtered
	}
	return Pass
}

func isSNMP(s ipx.Socket) bool { return s == ipx.SocketSNMP || s == ipx.SocketSNMPTrap }

// Nearest says how a router answers Get Nearest Server on a wire.
type Nearest uint8

// The ways.
const (
	NearestAuto   Nearest = iota // unless a server of the type is on that same wire
	NearestAlways                // also then
	NearestNever
)

// String is the word of the configuration for it.
func (n Nearest) String() string {
	switch n {
	case NearestAlways:
		return "always"
	case NearestNever:
		return "never"
	}
	return "auto"
}

// Allowed reports whether a service may be told to the neighbour, with its
// network: one without the other is useless.
func (l *Limits) Allowed(s sap.Service) bool {
	return l.AnnounceServices.Has(s.Type, s.Name) && l.AnnounceNetworks.Has(s.Addr.Network)
}

// Accepted reports whether a service is believed from the neighbour.
func (l *Limits) Accepted(s sap.Service) bool {
	return l.AcceptServices.Has(s.Type, s.Name) && l.AcceptNetworks.Has(s.Addr.Network)
}

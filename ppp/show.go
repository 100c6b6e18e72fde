package ppp

import (
	"sitebridge/internal/packet"
	"sitebridge/internal/tap"
)

// showData shows a packet of a network protocol that came, to those who look. What is
// still encrypted is shown when it is not any more.
func (l *Link) showData(v *view, protocol uint16, sealed bool, b *packet.Buffer) {
	inTunnel := v.tunnel != nil && protocol == v.tunnel.data && !sealed
	if protocol < firstControl && !inTunnel {
		l.cfg.Tap.Data(false, protocol, sealed, b.Bytes())
	}
}

// showReceived shows a packet of a control protocol on the link's own goroutine: a flood
// of them costs no more than the queue to it lets in.
func (r *run) showReceived(f frame) {
	if f.protocol >= firstControl {
		r.cfg.Tap.Negotiation(false, f.protocol, f.sealed, f.Bytes())
	}
}

// showSent shows packets that are about to leave. Those of control protocols are kept
// for whoever asks later how the link was negotiated.
func (l *Link) showSent(v *view, protocol uint16, pkts []*packet.Buffer) {
	switch sealed := v.tunnel.covers(protocol); {
	case protocol >= firstControl:
		for _, b := range pkts {
			l.cfg.Tap.Negotiation(true, protocol, sealed, b.Bytes())
		}
	case l.cfg.Tap.Watched(tap.Link):
		for _, b := range pkts {
			l.cfg.Tap.Data(true, protocol, sealed, b.Bytes())
		}
	}
}

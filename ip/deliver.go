package ip

import "sitebridge/internal/packet"

// Deliver takes packets of the PPP protocol from the link and gives the kernel
// those that may come from the peer. They are lent and changed in place: each
// needs 10 octets of room in front.
func (i *Interface) Deliver(protocol uint16, pkts []*packet.Buffer) { i.deliver(protocol, pkts, nil) }

// deliver is Deliver for what came from one peer of many, or from the only one, nil.
func (i *Interface) deliver(protocol uint16, pkts []*packet.Buffer, from *Caller) {
	l, version := i.live.Load(), uint8(4)
	if protocol == ProtocolIPv6 {
		version = 6
	}
	if why := i.carries(l, version); why != nil {
		why.Add(uint64(len(pkts)))
		return
	}
	w := tunWriters.Get().(*tunWriter)
	defer tunWriters.Put(w)
	var octets uint64
	for _, b := range pkts {
		v, ok := i.admit(l, version, b, from)
		if !ok {
			continue
		}
		octets += uint64(v.length)
		if w.add(b, v); w.npkts == packet.BatchLen {
			i.write(w)
		}
	}
	i.write(w)
	i.octetsIn.Add(octets)
}

// admit checks one packet from the peer and clamps it.
func (i *Interface) admit(l *live, version uint8, b *packet.Buffer, from *Caller) (v view, ok bool) {
	v, ok = parse(b.Bytes())
	if !ok || v.version != version {
		i.malformedIn.Add(1)
		return v, false
	}
	b.Truncate(v.length) // PPP may pad (RFC 1661, section 2)
	sources, mtu, foreign := l.sources, l.mtu(version), &i.sourceNotBehindPeer
	if from != nil {
		sources, mtu, foreign = from.sources, int(from.mtu.Load()), &i.sourceNotCallers
	}
	if !sources.contains(v.source(b.Bytes())) {
		foreign.Add(1)
		if from != nil {
			from.foreign.Add(1)
		}
		return v, false
	}
	if clampMSS(b.Bytes(), v, mtu) {
		i.clamped.Add(1)
	}
	return v, true
}

// write gives the kernel what w has gathered.
func (i *Interface) write(w *tunWriter) {
	n := w.npkts
	written, _ := w.flush(i.tun.conn)
	i.packetsIn.Add(uint64(written))
	i.interfaceRefused.Add(uint64(n - written))
}

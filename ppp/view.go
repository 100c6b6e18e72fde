package ppp

// A view is what the data path knows of a link. Run makes a new one when
// something changes; none is ever changed.
type view struct {
	framing  framing
	peerMRU  int
	network  bool     // in the phase of that name
	layers   []gates  // of the NCPs that run
	tunnel   *tunnel  // the cipher that is up; nil: none
	expected []uint16 // packets of the ciphers that may soon be
}

// maxPacket is the longest packet of a network protocol that the peer takes.
func (v *view) maxPacket() int {
	if v.tunnel != nil {
		return v.tunnel.MaxInner(v.peerMRU)
	}
	return v.peerMRU
}

// gates tell which way the data of an NCP may pass.
type gates struct {
	ncp     NCP
	data    []uint16
	out, in bool
}

// find returns the layer that a data protocol belongs to, nil for none. There
// are a handful at most: a loop is the fastest map.
func (v *view) find(protocol uint16) *gates {
	for i := range v.layers {
		for _, p := range v.layers[i].data {
			if p == protocol {
				return &v.layers[i]
			}
		}
	}
	return nil
}

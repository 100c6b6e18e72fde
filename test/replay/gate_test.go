package replay

// What the two ends of a tunnel keep to themselves when nothing else is
// configured: NetWare's copy protection (0457), which would find one licence at
// two sites, and network management. Routers keep NetBIOS too.

const (
	sockNetBIOS  uint16 = 0x0455
	sockSerial   uint16 = 0x0457
	sockSNMP     uint16 = 0x900F
	sockSNMPTrap uint16 = 0x9010
)

// stopped reports whether a packet does not cross a link.
func stopped(p pkt, netbios bool) bool {
	either := func(sock uint16) bool { return p.srcSock() == sock || p.dstSock() == sock }
	switch {
	case p.dstSock() == sockSerial, either(sockSNMP), either(sockSNMPTrap):
		return true
	}
	return !netbios && (p.typ() == typeWide || either(sockNetBIOS))
}

// beside makes what a station says that may not cross, each beside something that
// does: in frames to mac, from src to the node and network of dst.
func beside(mac node, src, dst addr) (all []frame) {
	for _, sock := range []uint16{sockSerial, sockSerial + 1, sockSNMP, sockSNMP + 2, sockSNMPTrap, sockNetBIOS, sockNetBIOS - 1} {
		for _, ends := range [][2]uint16{{0x4000, sock}, {sock, 0x4000}} {
			src.sock, dst.sock = ends[0], ends[1]
			all = append(all, frame{enc: 0, dst: mac, src: src.node, pkt: compose(typePEP, src, dst, []byte("for you"))})
		}
	}
	return all
}

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

// stoppedBy makes what a station says that does not cross, with something that
// does.
func stoppedBy(from node, net uint32) (all []frame) {
	for _, sock := range []uint16{sockSerial, sockSerial + 1, sockSNMP, sockSNMPTrap} {
		p := compose(typePEP, addr{net, from, 0x4000}, addr{net, everybody, sock}, []byte("to all"))
		all = append(all, frame{enc: 0, dst: everybody, src: from, pkt: p})
	}
	return all
}

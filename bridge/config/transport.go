package config

// defaultUDP is the port of GRE-in-UDP (RFC 8086), on which ours is modelled.
const defaultUDP = 4754

// A Transport says what a tunnel's packets may travel in, by the word of the
// configuration.
type Transport string

// The transports.
const (
	TransportAuto Transport = "auto" // UDP if the peer has it and answers on it, else GRE
	TransportUDP  Transport = "udp"
	TransportGRE  Transport = "gre" // IP protocol 47
)

func readTransport(t *table) Transport {
	return read(t, "transport", TransportAuto, word(TransportAuto, TransportUDP, TransportGRE))
}

// agreeOnUDP checks that a tunnel that must travel in UDP has a port.
func (d *draft) agreeOnUDP() {
	if d.Daemon.UDP != 0 {
		return
	}
	for _, s := range d.Sites {
		if at := d.siteAt[s].site.at("transport"); s.Transport == TransportUDP && at.faultless() {
			at.fault("the daemon has no port for UDP: daemon.udp is 0", `write transport = "auto", or a port in daemon.udp, as in udp = 4754`)
		}
	}
}

// OffersUDP reports whether a caller may have its tunnel in UDP. name is what it calls
// itself, which nobody has proved: it finds the site that the caller is of if it tells the
// truth, and else all that answer are asked.
func (c *Config) OffersUDP(name string) bool {
	if c.Daemon.UDP == 0 {
		return false
	}
	if s := c.Caller(name); s != nil {
		return s.Transport != TransportGRE
	}
	for _, s := range c.Sites {
		if s.Answer && s.Transport != TransportGRE {
			return true
		}
	}
	return false
}

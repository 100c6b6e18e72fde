package lab

import "strings"

// A Config makes the text of a configuration for one of the two sites of a
// World. The zero Config is IP and IPX, routed, over MS-CHAPv2; A answers, B
// dials.
type Config struct {
	Daemon string // more keys of [daemon]
	LAN    string // keys of [lan.lan] instead of one 802.2 network
	Site   string // more keys of [site.X]
	Auth   string // keys of [site.X.auth] instead of MS-CHAPv2 with "secret"
	// Encryption is keys of [site.X.encryption] instead of policy = "disabled".
	Encryption string
	IP         string // keys of [site.X.ip] instead of the usual ones; "none": no IP
	IPX        string // the same for IPX
	More       string // more tables
	Dial       bool   // A dials too

	certified bool
	Answer    bool // B answers too
}

// Certified returns c with EAP-TLS, by certificates of the World's CA, and the
// strongest encryption required: what a new user gets.
func (c Config) Certified() Config {
	c.certified = true
	return c
}

// InGRE returns c with tunnels that travel as IP protocol 47, for tests that look at it or
// meddle with it on the WAN. By default two daemons take UDP.
func (c Config) InGRE() Config {
	c.Site += "\ntransport = \"gre\""
	return c
}

// A is the configuration of site-a, whose peer is the site "b".
func (c Config) A() string {
	return c.text("a", "b", WANB, c.Dial, true, "00000010",
		"address = \"10.255.0.1\"\npeer = \"10.255.0.2\"\nroutes = [\"10.2.0.0/16\"]",
		"routes = [\"00000020 hops 1 ticks 7\"]")
}

// B is the configuration of site-b, whose peer is the site "a".
func (c Config) B() string {
	return c.text("b", "a", WANA, true, c.Answer, "00000020",
		"address = \"10.255.0.2\"\npeer = \"10.255.0.1\"\nroutes = [\"10.1.0.0/16\"]",
		"routes = [\"00000010 hops 1 ticks 7\"]")
}

func (c Config) text(us, peer, peerAddr string, dials, answers bool, network, ip, ipx string) string {
	var b strings.Builder
	table := func(name string, lines ...string) {
		b.WriteString("[" + name + "]\n")
		for _, l := range lines {
			if l != "" {
				b.WriteString(l + "\n")
			}
		}
	}
	listen, dial, answer := "", "", ""
	if answers {
		listen = `listen = ["0.0.0.0:1723"]`
	}
	if dials {
		dial = `dial = ["` + peerAddr + `"]`
		if answers {
			answer = "answer = true"
		}
	}
	required := []string{}
	if c.IP != "none" {
		required = append(required, `"ip"`)
	}
	if c.IPX != "none" {
		required = append(required, `"ipx"`)
	}
	if c.certified {
		c.Daemon += "\ncertificate = \"" + us + ".pem\""
		c.Auth = or(c.Auth, `ca = "ca.pem"`)
		c.Encryption = or(c.Encryption, `policy = "required"`)
	}
	table("daemon", `name = "`+us+`"`, `status = "STATUS"`, listen, c.Daemon)
	table("lan.lan", `interface = "lan"`, or(c.LAN, `ethernet_802_2 = "`+network+`"`))
	required1 := "required = [" + strings.Join(required, ", ") + "]"
	if strings.Contains(c.Site, "required") {
		required1 = ""
	}
	echo := `echo = { interval = "1s", failures = 3 }`
	if strings.Contains(c.Site, "echo") {
		echo = ""
	}
	table("site."+peer, dial, answer, required1, echo, c.Site)
	auth := "methods = [\"mschapv2\"]\nsecret_in_file = \"secret\"\nsecret_out_file = \"secret\""
	if !answers {
		auth = "methods = [\"mschapv2\"]\nsecret_out_file = \"secret\""
	} else if !dials {
		auth = "methods = [\"mschapv2\"]\nsecret_in_file = \"secret\""
	}
	table("site."+peer+".auth", or(c.Auth, auth))
	table("site."+peer+".encryption", or(c.Encryption, `policy = "disabled"`))
	if c.IP != "none" {
		table("site."+peer+".ip", or(c.IP, ip))
	}
	if c.IPX != "none" {
		table("site."+peer+".ipx", or(c.IPX, ipx))
	}
	b.WriteString(c.More)
	return b.String()
}

func or(given, usual string) string {
	if given != "" {
		return given
	}
	return usual
}

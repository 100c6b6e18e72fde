package demo

// The two configurations: a site that waits, and one that dials it. DIR is the
// demo's folder, and PEER the fingerprint of the peer's certificate. The echo is quick, so that nobody has to wait for the cut.
const (
	configA = `
[daemon]
name   = "site-a"
listen = ["192.0.2.1:1723"]
status = "DIR/site-a.sock"
certificate = "site-a.pem"

[lan.office]
interface      = "lan"
ethernet_802_2 = "00000010"

[site.b]
required = ["ip", "ipx"]
echo     = { interval = "1s", failures = 2 }

[site.b.auth]
peer_name   = "site-b"
fingerprint = "PEER"

[site.b.ip]
address = "10.255.0.1"
peer    = "10.255.0.2"
routes  = ["10.2.0.0/16"]

[site.b.ipx]
routes = ["00000020 hops 1 ticks 7"]
`
	configB = `
[daemon]
name   = "site-b"
status = "DIR/site-b.sock"
certificate = "site-b.pem"

[lan.shop]
interface   = "lan"
ethernet_ii = "00000020"

[site.a]
dial     = ["192.0.2.1"]
required = ["ip", "ipx"]
echo     = { interval = "1s", failures = 2 }

[site.a.auth]
peer_name   = "site-a"
fingerprint = "PEER"

[site.a.ip]
address = "10.255.0.2"
peer    = "10.255.0.1"
routes  = ["10.1.0.0/16"]

[site.a.ipx]
routes = ["00000010 hops 1 ticks 7"]
`
)

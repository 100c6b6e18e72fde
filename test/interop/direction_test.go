package interop

import "testing"

// A direction says who calls whom.
type direction struct {
	weCall bool
	us     string // our name, by which a caller and its certificate are known
	them   string
	ours   string // our address in the tunnel
	theirs string
	ip     string // tables that give these addresses
}

var (
	theyCall = direction{us: "rigserver", them: "alice", ours: "10.255.0.1", theirs: "10.255.0.101", ip: callersIP}
	weCall   = direction{weCall: true, us: "alice", them: "rigserver", ours: "10.255.0.101", theirs: "10.255.0.1", ip: staticIP}
)

// boot starts the guest for the direction. One that calls does not do so before it
// has its options.
func (d direction) boot(t *testing.T, l *lab) *guest {
	t.Helper()
	if d.weCall {
		return l.boot(t, "server", guestPPTP)
	}
	return l.boot(t, "client", guestPPP, "--peer", ourAddr, "--idle")
}

// begin has one end wait for a call, and then the other end make it.
func (d direction) begin(t *testing.T, l *lab, g *guest, s setup, guest ...string) *daemon {
	t.Helper()
	if d.weCall {
		g.again(t, guest...)
		return l.start(t, s.dialing())
	}
	ours := l.start(t, s.answering())
	g.again(t, guest...)
	return ours
}

// bySecret is what a site needs for a method that proves who calls by a secret, in
// the file of that name.
func (d direction) bySecret(method, secret string) string {
	key := "secret_in_file"
	if d.weCall {
		key = "secret_out_file"
	}
	return "methods = [\"" + method + "\"]\n" + key + " = \"$DIR/" + secret + "\"\n"
}

// guest is the guest's address on the bridge.
func (d direction) guest() string {
	if d.weCall {
		return guestPPTP
	}
	return guestPPP
}

// site is the name of the guest's table.
func (d direction) site() string { return "site." + d.them }

package radius

import (
	"crypto/rand"
	"net"
	"testing"
	"time"

	"sitebridge/ppp/auth"
)

// A nas carries EAP between a peer of ours and FreeRADIUS.
type nas struct {
	t     *testing.T
	conn  net.Conn
	user  string
	id    byte
	state []byte // that goes back with the next request

	request [16]byte // the authenticator of the last request
	reply   packet   // to it
}

func (w *world) nas(user string) *nas {
	w.t.Helper()
	n := &nas{t: w.t, user: user}
	err := w.Do(func() (err error) { n.conn, err = net.Dial("udp", "127.0.0.1:"+port); return err })
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { n.conn.Close() })
	return n
}

// identityRequest is what a NAS asks before it asks RADIUS anything.
var identityRequest = []byte{1, 7, 0, 5, 1}

// run lets the peer prove itself, and returns what it thinks of that. The timers
// of the peer never end: nothing is lost here.
func (n *nas) run(peer auth.Exchange) auth.Output {
	n.t.Helper()
	peer.Start()
	out := peer.Receive(identityRequest)
	for out.Verdict == auth.Pending && out.Send != nil {
		out = peer.Receive(n.ask(out.Send))
	}
	return out
}

// ask hands the peer's EAP packet to FreeRADIUS and returns the EAP packet that
// answers it.
func (n *nas) ask(eap []byte) []byte {
	n.t.Helper()
	n.id++
	p := packet{code: accessRequest, id: n.id, attributes: []attribute{
		{attrUserName, []byte(n.user)}, {attrNASIdentifier, []byte("nas")}}}
	if n.state != nil {
		p.attributes = append(p.attributes, attribute{attrState, n.state})
	}
	p.addEAP(eap)
	rand.Read(n.request[:])
	if _, err := n.conn.Write(p.seal(n.request)); err != nil {
		n.t.Fatal(err)
	}
	n.reply = n.receive()
	n.state = n.reply.first(attrState)
	return n.reply.eap()
}

func (n *nas) receive() packet {
	n.t.Helper()
	b := make([]byte, 4096)
	n.conn.SetReadDeadline(time.Now().Add(patience))
	size, err := n.conn.Read(b)
	if err != nil {
		n.t.Fatal("FreeRADIUS does not answer: ", err)
	}
	p, err := open(b[:size], n.request)
	if err != nil || p.id != n.id {
		n.t.Fatalf("FreeRADIUS sent % x: %v", b[:size], err)
	}
	return p
}

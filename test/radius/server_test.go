package radius

import (
	"net"
	"testing"
	"time"

	"sitebridge/ppp/auth"
)

// patience is for a judge that does not answer: CI's cores are shared.
const patience = 60 * time.Second

// A server is RADIUS in front of one of our authenticators, for one client and one
// run.
type server struct {
	t             *testing.T
	conn          net.PacketConn
	authenticator auth.Exchange
	spoil         bool // give wrong keys to the NAS
}

func (w *world) server(authenticator auth.Exchange) *server {
	w.t.Helper()
	s := &server{t: w.t, authenticator: authenticator}
	err := w.Do(func() (err error) { s.conn, err = net.ListenPacket("udp", "127.0.0.1:"+port); return err })
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { s.conn.Close() })
	return s
}

// serve answers until the authenticator has judged. The NAS has asked for the
// identity by itself, under an identifier of its own.
func (s *server) serve() auth.Output {
	s.t.Helper()
	identity := s.authenticator.Start().Send
	for {
		request, from := s.receive()
		eap := request.eap()
		if identity != nil {
			eap[1], identity = identity[1], nil
		}
		out := s.authenticator.Receive(eap)
		if out.Drop != "" || out.Send == nil {
			s.t.Fatalf("% x was dropped as %q: %s", eap, out.Drop, out.Reason)
		}
		if _, err := s.conn.WriteTo(s.answer(request, out), from); err != nil {
			s.t.Fatal(err)
		}
		if out.Verdict != auth.Pending {
			return out
		}
	}
}

func (s *server) receive() (packet, net.Addr) {
	s.t.Helper()
	b := make([]byte, 4096)
	s.conn.SetReadDeadline(time.Now().Add(patience))
	n, from, err := s.conn.ReadFrom(b)
	if err != nil {
		s.t.Fatal("eapol_test does not ask: ", err)
	}
	p, err := parse(b[:n])
	if err == nil {
		p, err = open(b[:n], p.authenticator)
	}
	if err != nil || p.code != accessRequest || len(p.eap()) < 5 {
		s.t.Fatalf("eapol_test sent % x: %v", b[:n], err)
	}
	return p, from
}

// answer wraps what the authenticator wants, and gives the NAS its keys.
func (s *server) answer(request packet, out auth.Output) []byte {
	p := packet{id: request.id}
	switch out.Verdict {
	case auth.Pending:
		p.code = accessChallenge
	case auth.Success:
		p.code = accessAccept
	default:
		p.code = accessReject
	}
	p.addEAP(out.Send)
	if keys, ok := out.Keys.(*auth.TLSKeys); ok {
		msk := keys.MSK()
		if s.spoil {
			msk[31] ^= 1
		}
		p.addKey(msRecvKey, msk[:32], request.authenticator)
		p.addKey(msSendKey, msk[32:], request.authenticator)
	}
	return p.seal(request.authenticator)
}

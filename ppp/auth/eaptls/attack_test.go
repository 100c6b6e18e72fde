package eaptls

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"testing"

	"sitebridge/ppp/auth/eaptls/tlstest"
)

// A6: lengths that lie fail closed, at every stage of both ends.
func TestAttackA6Lengths(t *testing.T) {
	for _, c := range []struct {
		name    string
		packets []string // the last is what must be refused
		want    string
	}{
		{"length 0", []string{"80 00000000"}, "TLS flight of 0 octets"},
		{"length 0 and data", []string{"80 00000000 16"}, "TLS flight of 0 octets"},
		{"length 0 of several", []string{"c0 00000000 16"}, "TLS flight of 0 octets"},
		{"length 1", []string{"80 00000001 1603"}, "fragments of 2 octets in a TLS flight of 1"},
		{"length 1 of several", []string{"c0 00000001 16", "00 03"}, "fragments of 2 octets in a TLS flight of 1"},
		{"length 2^31-1", []string{"c0 7fffffff 16"}, "TLS flight of 2147483647 octets"},
		{"length 2^31", []string{"c0 80000000 16"}, "TLS flight of 2147483648 octets"},
		{"length 2^32-1", []string{"c0 ffffffff 16"}, "TLS flight of 4294967295 octets"},
		{"length 2^32-1 of one", []string{"80 ffffffff 16"}, "TLS flight of 4294967295 octets"},
		{"length that is cut", []string{"80 0000"}, "ends inside its length"},
		{"fragment past the length", []string{"c0 00000004 160303", "40 0001"}, "fragments of 5 octets in a TLS flight of 4"},
		{"length that grows", []string{"c0 00000004 16", "c0 ffffffff 03"}, "TLS flight of 4294967295 octets"},
		{"length that grows a little", []string{"c0 00000004 16", "c0 00000005 03"}, "of 4 octets that became one of 5"},
		{"length that shrinks", []string{"c0 00000004 16", "80 00000002 03"}, "of 4 octets that became one of 2"},
		{"last before the length", []string{"c0 00000004 16", "00 03"}, "fragments of 2 octets in a TLS flight of 4"},
	} {
		for _, v := range versions {
			for _, at := range []struct {
				server bool
				after  int
			}{{true, 0}, {true, 1}, {true, 2}, {false, 1}, {false, 2}} {
				t.Run(fmt.Sprintf("%s, %s, server %v after %d", c.name, v.name, at.server, at.after), func(t *testing.T) {
					e := advance(t, v.of, at.server, at.after)
					for _, pkt := range c.packets[:len(c.packets)-1] {
						if s := e.Receive(unhex(t, pkt)); s.State != Going || !bytes.Equal(s.Send, []byte{0}) {
							t.Fatalf("%s: %+v", pkt, s)
						}
					}
					wantFailed(t, "it", e.Receive(unhex(t, c.packets[len(c.packets)-1])), c.want)
					wantNothingMore(t, e)
				})
			}
		}
	}
}

// A7: fragments for ever, tiny fragments, and flights beyond 64 KiB. The 30
// seconds are the link's.
func TestAttackA7FragmentBombs(t *testing.T) {
	first := func(total int, data []byte) []byte {
		return fragment{length: true, total: uint32(total), more: true, data: data}.encode()
	}
	flood := func(e *Conversation, first, next []byte) (s Step, packets, kept int) {
		for s = e.Receive(first); s.State == Going && packets < 1<<17; packets++ {
			kept = max(kept, cap(e.in.flight))
			s = e.Receive(next)
		}
		return s, packets + 1, kept
	}
	for _, isServer := range []bool{true, false} {
		after := 1
		if isServer {
			after = 0
		}
		t.Run(fmt.Sprintf("tiny fragments, server %v", isServer), func(t *testing.T) {
			s, packets, _ := flood(advance(t, 0, isServer, after), first(maxFlight, []byte{22}), []byte{flagMore, 3})
			wantFailed(t, "it", s, "more than 100 packets")
			if packets > maxRounds+1 {
				t.Errorf("%d packets were taken", packets)
			}
		})
		t.Run(fmt.Sprintf("more for ever, server %v", isServer), func(t *testing.T) {
			s, _, kept := flood(advance(t, 0, isServer, after), first(maxFlight, make([]byte, 1400)), append([]byte{flagMore}, make([]byte, 1400)...))
			wantFailed(t, "it", s, "in a TLS flight of 65536")
			if kept > 2*maxFlight {
				t.Errorf("%d octets were kept", kept)
			}
		})
		t.Run(fmt.Sprintf("1 MiB, server %v", isServer), func(t *testing.T) {
			s, packets, _ := flood(advance(t, 0, isServer, after), first(1<<20, make([]byte, 1400)), nil)
			wantFailed(t, "it", s, "TLS flight of 1048576 octets: 1 to 65536 are taken")
			if packets != 1 {
				t.Errorf("%d packets were taken", packets)
			}
		})
		t.Run(fmt.Sprintf("fragments without data, server %v", isServer), func(t *testing.T) {
			s, _, _ := flood(advance(t, 0, isServer, after), first(10, []byte{22}), []byte{flagMore})
			wantFailed(t, "it", s, "a fragment without TLS data")
		})
	}
	t.Run("acknowledgements that never end", func(t *testing.T) {
		sc := serverConfig(0)
		sc.FragmentSize = 1
		server, client := open(t, sc), open(t, whole(clientConfig(0)))
		s := server.Receive(client.Receive(server.Start().Send).Send)
		for s.State == Going {
			s = server.Receive([]byte{0})
		}
		wantFailed(t, "server", s, "more than 100 packets")
	})
	t.Run("session tickets that never end", func(t *testing.T) {
		server, client, s := untilSuccess(t)
		for seal := newSealer(server); s.State == Going; {
			s = client.Receive(fragment{data: seal.record(22, ticket(10))}.encode())
		}
		wantFailed(t, "client", s, "TLS with the peer failed: too many non-advancing records")
	})
	t.Run("large session tickets that never end", func(t *testing.T) {
		server, client, s := untilSuccess(t)
		seal, sent := newSealer(server), 0
		for ; s.State == Going; sent++ {
			s = client.Receive(fragment{data: seal.record(22, ticket(16000))}.encode())
		}
		wantFailed(t, "client", s, "more than 65536 octets of TLS data that ask for no answer")
		if sent != 5 {
			t.Errorf("%d tickets were taken", sent)
		}
	})
}

// untilSuccess brings a client of TLS 1.3 to where it waits for the octet of
// success from a server that the test drives.
func untilSuccess(t testing.TB) (*rogue, *Conversation, Step) {
	t.Helper()
	server, client := newRogue(t, serverConfig(tls.VersionTLS13), nil), open(t, whole(clientConfig(tls.VersionTLS13)))
	s := client.Receive([]byte{flagStart})
	s = client.Receive(server.answer(s.Send))
	server.answer(s.Send)
	if !server.done || s.State != Going {
		t.Fatalf("the handshake failed: %v, %+v", server.err, s)
	}
	return server, client, s
}

// A11: a TLS 1.3 client believes nothing but the one octet 00, after its own
// Finished.
func TestAttackA11SuccessOctet(t *testing.T) {
	const wrong = "peer sent other data than the octet 00"
	for _, c := range []struct {
		name string
		send func(*rogue) []byte
		want string // empty: success
	}{
		{"the octet", func(r *rogue) []byte { return r.write([]byte{0}) }, ""},
		{"nothing", func(*rogue) []byte { return []byte{0} }, "empty EAP-TLS packet"},
		{"a wrong octet", func(r *rogue) []byte { return r.write([]byte{1}) }, wrong},
		{"two octets", func(r *rogue) []byte { return r.write([]byte{0, 0}) }, wrong},
		{"many octets", func(r *rogue) []byte { return r.write(make([]byte, 5000)) }, wrong},
		{"two records", func(r *rogue) []byte { return append(r.write([]byte{0}), r.write([]byte{0})[1:]...) }, wrong},
		{"a close notify instead", func(r *rogue) []byte { r.conn.CloseWrite(); return r.packet() }, "peer ended TLS and gave no reason"},
		{"a close notify behind it", func(r *rogue) []byte { b := r.write([]byte{0}); r.conn.CloseWrite(); return append(b, r.written()...) }, "peer ended TLS and gave no reason"},
		{"in clear", func(*rogue) []byte { return append([]byte{0}, record12(23, []byte{0})...) }, "bad record MAC"},
		{"changed on its way", func(r *rogue) []byte { b := r.write([]byte{0}); b[len(b)-1] ^= 1; return b }, "bad record MAC"},
		{"cut on its way", func(r *rogue) []byte { b := r.write([]byte{0}); return b[:len(b)-1] }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, client, _ := untilSuccess(t)
			s := client.Receive(c.send(server))
			switch {
			case c.name == "cut on its way": // more may come
				if s.State != Going {
					t.Errorf("%+v", s)
				}
				wantFailed(t, "client", client.Receive([]byte{0}), "empty EAP-TLS packet")
			case c.want != "":
				wantFailed(t, "client", s, c.want)
				wantNothingMore(t, client)
			case s.State != Succeeded || client.Result().MSK == [64]byte{}:
				t.Errorf("%+v", s)
			}
		})
	}
	t.Run("before the client's Finished", func(t *testing.T) {
		server, client := newRogue(t, serverConfig(tls.VersionTLS13), nil), open(t, whole(clientConfig(tls.VersionTLS13)))
		s := client.Receive([]byte{flagStart})
		flight := server.answer(s.Send)
		s = client.Receive(append(flight, newSealer(server).record(23, []byte{0})...))
		wantFailed(t, "client", s, "peer sent data before the end of its TLS handshake")
		wantNothingMore(t, client)
	})
	t.Run("behind a session ticket", func(t *testing.T) {
		server, client, _ := untilSuccess(t)
		seal := newSealer(server)
		s := client.Receive(fragment{data: append(seal.record(22, ticket(100)), seal.record(23, []byte{0})...)}.encode())
		if s.State != Succeeded {
			t.Errorf("%+v", s)
		}
	})
	t.Run("in the packet behind a session ticket", func(t *testing.T) {
		server, client, _ := untilSuccess(t)
		seal := newSealer(server)
		s := client.Receive(fragment{data: seal.record(22, ticket(100))}.encode())
		if s.State != Going || !bytes.Equal(s.Send, []byte{0}) {
			t.Errorf("the ticket is answered by %+v", s)
		}
		if s = client.Receive(fragment{data: seal.record(23, []byte{0})}.encode()); s.State != Succeeded {
			t.Errorf("%+v", s)
		}
	})
	t.Run("behind a request for new keys", func(t *testing.T) {
		server, client, _ := untilSuccess(t)
		s := client.Receive(fragment{data: newSealer(server).record(22, []byte{24, 0, 0, 1, 1})}.encode())
		wantFailed(t, "client", s, "peer sent TLS data after the end of the handshake")
	})
}

// A13: certificates that are wrong, shown to either end. Revocation is the judge's.
func TestAttackA13Certificates(t *testing.T) {
	for _, c := range []struct {
		name           string
		server, client *tls.Certificate
		want           string
	}{
		{"expired", ca.Issue("hq", tlstest.Expired), ca.Issue("branch1", tlstest.Expired), "certificate has expired or is not yet valid"},
		{"not yet valid", ca.Issue("hq", tlstest.NotYetValid), ca.Issue("branch1", tlstest.NotYetValid), "certificate has expired or is not yet valid"},
		{"wrong usage", ca.Issue("hq", tlstest.Usage(x509.ExtKeyUsageClientAuth)), ca.Issue("branch1", tlstest.Usage(x509.ExtKeyUsageServerAuth)), "incompatible key usage"},
		{"of another CA", tlstest.NewCA("x").Issue("hq"), tlstest.NewCA("x").Issue("branch1"), "signed by unknown authority"},
		{"self-signed", tlstest.SelfSigned("hq"), tlstest.SelfSigned("branch1"), "signed by unknown authority"},
	} {
		for _, v := range versions {
			t.Run(c.name+", the server's, "+v.name, func(t *testing.T) {
				sc, cc := serverConfig(v.of), clientConfig(v.of)
				sc.Certificate = own(c.server)
				wantRefused(t, sc, cc, false, c.want)
			})
			t.Run(c.name+", the client's, "+v.name, func(t *testing.T) {
				sc, cc := serverConfig(v.of), clientConfig(v.of)
				cc.Certificate = own(c.client)
				wantRefused(t, sc, cc, true, c.want)
			})
		}
	}
}

// wantRefused checks that one end refuses the other's certificate, in words here
// and by an alert there.
func wantRefused(t *testing.T, sc, cc Config, byServer bool, words string) {
	t.Helper()
	server, client := open(t, sc), open(t, cc)
	judge, judged, _ := converse(t, server, client)
	if !byServer {
		judge, judged = judged, judge
	}
	wantFailed(t, "who judges", judge, "peer's certificate is refused: x509: ")
	wantFailed(t, "who judges", judge, words)
	wantFailed(t, "who is judged", judged, "peer refuses our certificate: bad certificate")
	wantNothingMore(t, server, client)
}

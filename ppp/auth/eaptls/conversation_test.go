package eaptls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"sitebridge/ppp/auth/eaptls/tlstest"
)

func TestBothEndsProved(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			server, client := open(t, serverConfig(v.of)), open(t, clientConfig(v.of))
			s, c, packets := converse(t, server, client)
			wantBoth(t, s, c, Succeeded)
			wantEqualResults(t, server.Result(), client.Result(), v.of)
			if !server.Result().Theirs.Equal(clientCert.Leaf) || !client.Result().Theirs.Equal(serverCert.Leaf) {
				t.Error("an end saw the wrong certificate")
			}
			if last := packets[len(packets)-1]; last.fromServer || len(last.data) != 1 {
				t.Errorf("the conversation ends with % x", last.data)
			}
		})
	}
	t.Run("the newer version when both have it", func(t *testing.T) {
		server, client := open(t, serverConfig(0)), open(t, clientConfig(0))
		s, c, _ := converse(t, server, client)
		wantBoth(t, s, c, Succeeded)
		wantEqualResults(t, server.Result(), client.Result(), tls.VersionTLS13)
	})
	t.Run("a client that has only the older", func(t *testing.T) {
		server, client := open(t, serverConfig(0)), open(t, clientConfig(tls.VersionTLS12))
		s, c, _ := converse(t, server, client)
		wantBoth(t, s, c, Succeeded)
		wantEqualResults(t, server.Result(), client.Result(), tls.VersionTLS12)
	})
}

func TestKeysAreNewEachTime(t *testing.T) {
	seen := map[[64]byte]bool{}
	for range 3 {
		server, client := open(t, serverConfig(0)), open(t, clientConfig(0))
		converse(t, server, client)
		seen[server.Result().MSK] = true
	}
	if len(seen) != 3 {
		t.Errorf("three handshakes made %d keys", len(seen))
	}
}

// The success of TLS 1.3 is one record with one octet, and no session ticket is
// before it.
func TestNoSessionTicket(t *testing.T) {
	server, client := open(t, whole(serverConfig(tls.VersionTLS13))), open(t, whole(clientConfig(tls.VersionTLS13)))
	_, _, packets := converse(t, server, client)
	const record = 5 + 1 + 1 + 16 // header, octet, its content type, tag of the cipher
	if last := packets[len(packets)-2]; !last.fromServer || len(last.data) != 1+record {
		t.Errorf("the server's last packet has %d octets, want %d", len(last.data), 1+record)
	}
}

func fragmentSizes() (sizes []int) {
	for n := 1; n <= 1400; {
		sizes = append(sizes, n)
		switch {
		case n < 20 || !testing.Short() && n < 64:
			n++
		default:
			n += n/8 + 1
		}
	}
	return append(sizes, 255, 256, 257, 999, 1000, 1001, 1399, 1400)
}

func TestFragments(t *testing.T) {
	for _, v := range versions {
		for _, size := range fragmentSizes() {
			t.Run(fmt.Sprintf("%s in %d octets", v.name, size), func(t *testing.T) {
				sc, cc := serverConfig(v.of), clientConfig(v.of)
				sc.FragmentSize, cc.FragmentSize = size, 1401-size
				server, client := patient(t, sc), patient(t, cc)
				s, c, packets := converse(t, server, client)
				wantBoth(t, s, c, Succeeded)
				wantEqualResults(t, server.Result(), client.Result(), v.of)
				for _, p := range packets {
					checkFragment(t, p, sc.FragmentSize, cc.FragmentSize)
				}
				checkFlights(t, packets)
			})
		}
	}
}

func checkFragment(t *testing.T, p record, server, client int) {
	t.Helper()
	f, err := parseFragment(p.data)
	limit := client
	if p.fromServer {
		limit = server
	}
	switch {
	case err != nil || len(f.data) > limit:
		t.Errorf("fragment of %d octets, %v; want at most %d", len(f.data), err, limit)
	case f.length && !f.more:
		t.Error("a length in a flight of one piece, or on its last fragment")
	}
}

// checkFlights checks that only the first fragment of several tells the length,
// and that a fragment before the last is acknowledged by an empty packet.
func checkFlights(t *testing.T, packets []record) {
	t.Helper()
	more := map[bool]bool{}
	for i, p := range packets {
		f, _ := parseFragment(p.data)
		if f.more && f.length == more[p.fromServer] {
			t.Errorf("packet %d: flags %x", i, p.data[0])
		}
		if i > 0 && packets[i-1].data[0]&flagMore != 0 && !f.empty() {
			t.Errorf("packet %d answers a fragment by % x", i, p.data[:1])
		}
		if !f.empty() {
			more[p.fromServer] = f.more
		}
	}
}

func TestLongChains(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			long := ca.Intermediate("a", tlstest.Bigger(10000)).Intermediate("b", tlstest.Bigger(15000))
			sc, cc := serverConfig(v.of), clientConfig(v.of)
			sc.Certificate, cc.Certificate = own(long.Issue("hq", tlstest.Bigger(15000))), own(long.Issue("branch1", tlstest.Bigger(9000)))
			server, client := open(t, sc), open(t, cc)
			s, c, packets := converse(t, server, client)
			wantBoth(t, s, c, Succeeded)
			wantEqualResults(t, server.Result(), client.Result(), v.of)
			if len(packets) < 70 {
				t.Errorf("only %d packets", len(packets))
			}
		})
	}
	t.Run("too long", func(t *testing.T) {
		sc := serverConfig(0)
		sc.Certificate = own(ca.Issue("hq", tlstest.Bigger(maxFlight)))
		s, _, _ := converse(t, open(t, sc), open(t, clientConfig(0)))
		wantFailed(t, "server", s, "use a shorter certificate chain")
	})
}

// What a peer says with its alert is told in words, and what we have against its
// certificate is told to us alone.
func TestRefusals(t *testing.T) {
	other := tlstest.NewCA("Other CA")
	stolen := &tls.Certificate{Certificate: clientCert.Certificate, PrivateKey: serverCert.PrivateKey}
	for _, c := range []struct {
		name           string
		change         func(server, client *Config)
		server, client string // what each of them says
	}{
		{"the server's certificate is of another CA",
			func(s, _ *Config) { s.Certificate = own(other.Issue("hq")) },
			"peer refuses our certificate: bad certificate", "peer's certificate is refused: x509: certificate signed by unknown authority"},
		{"the client's certificate is of another CA",
			func(_, c *Config) { c.Certificate = own(other.Issue("branch1")) },
			"peer's certificate is refused: x509: certificate signed by unknown authority", "peer refuses our certificate: bad certificate"},
		{"the client's certificate is of somebody else",
			func(_, c *Config) { c.Certificate = own(stolen) },
			"invalid signature by the client certificate", "peer ended TLS: error decrypting message"},
		{"the judge's words have control characters",
			func(s, _ *Config) {
				s.Verify = func([]*x509.Certificate) error { return errors.New("name \"a\"\n\x1b[2J" + strings.Repeat("x", 1000)) }
			},
			`peer's certificate is refused: name "a"\n\x1b[2Jxxx`, "peer refuses our certificate: bad certificate"},
	} {
		for _, v := range versions {
			t.Run(c.name+", "+v.name, func(t *testing.T) {
				sc, cc := serverConfig(v.of), clientConfig(v.of)
				c.change(&sc, &cc)
				server, client := open(t, sc), open(t, cc)
				s, peer, packets := converse(t, server, client)
				wantFailed(t, "server", s, c.server)
				wantFailed(t, "client", peer, c.client)
				if len(s.Reason) > 400 || len(packets) == 0 {
					t.Errorf("%d octets of reason", len(s.Reason))
				}
				wantNothingMore(t, server, client)
			})
		}
	}
	t.Run("no version in common", func(t *testing.T) {
		s, c, _ := converse(t, open(t, serverConfig(tls.VersionTLS13)), open(t, clientConfig(tls.VersionTLS12)))
		wantFailed(t, "server", s, "TLS with the peer failed: client offered only unsupported versions")
		wantFailed(t, "client", c, "peer ended TLS: protocol version not supported")
	})
}

// wantNothingMore checks that who failed neither sends nor succeeds any more.
func wantNothingMore(t *testing.T, ends ...*Conversation) {
	t.Helper()
	for _, e := range ends {
		for _, pkt := range [][]byte{{0}, {flagStart}, {0, 1, 2, 3}} {
			if s := e.Receive(pkt); s.State != Failed || s.Send != nil || s.Reason == "" {
				t.Errorf("after its end: %+v", s)
			}
		}
		if e.Result() != (Result{}) {
			t.Error("who failed has keys")
		}
	}
}

// RFC 9190, section 2.1.2: who refuses a certificate sends its alert when the
// other end has sent its whole flight; and it is sent, in as many fragments as
// it takes, before the conversation counts as failed.
func TestAlertInFragments(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			sc := serverConfig(v.of)
			sc.FragmentSize = 1
			sc.Verify = func([]*x509.Certificate) error { return errors.New("no") }
			server, client := patient(t, sc), patient(t, clientConfig(v.of))
			s, c, packets := converse(t, server, client)
			wantFailed(t, "server", s, "peer's certificate is refused: no")
			wantFailed(t, "client", c, "peer refuses our certificate: bad certificate")
			if last := packets[len(packets)-2]; !last.fromServer || last.data[0]&flagMore != 0 {
				t.Errorf("the server's last packet is % x", last.data)
			}
		})
	}
}

// An alert in clear is the other end's word wherever TLS fails over it, and needs
// no answer; TLS 1.3 alone would think it a forgery (RFC 8446, appendix A.1).
func TestAlertInClear(t *testing.T) {
	for _, c := range []struct {
		name, packet, want string
		answered           bool
	}{
		{"unknown CA", "00 15030300020230", "peer refuses our certificate: unknown certificate authority; the peer's log says why", false},
		{"handshake failure", "00 15030300020228", "peer ended TLS: handshake failure", false},
		{"internal error", "00 15030300020250", "peer ended TLS: internal error. pppd says so of a certificate that is not for the name", false},
		{"close notify", "00 15030300020100", "peer ended TLS and gave no reason", false},
		{"with more behind it", "00 1503030002023000", "TLS with the peer failed: ", true},
	} {
		for _, v := range versions {
			if c.answered && v.of < tls.VersionTLS13 {
				continue // TLS 1.2 reads no further
			}
			t.Run(c.name+", "+v.name, func(t *testing.T) {
				server := advance(t, v.of, true, 1)
				s := server.Receive(unhex(t, c.packet))
				wantFailed(t, "server", s, c.want)
				if (s.Send != nil) != c.answered {
					t.Errorf("answered with % x", s.Send)
				}
				wantNothingMore(t, server)
			})
		}
	}
}

func TestBothMustShowACertificate(t *testing.T) {
	for _, v := range versions {
		t.Run("a server that asks for none, "+v.name, func(t *testing.T) {
			server := newRogue(t, serverConfig(v.of), func(c *tls.Config) { c.ClientAuth, c.VerifyConnection = tls.NoClientCert, nil })
			client := open(t, whole(clientConfig(v.of)))
			s := client.Receive(fragment{start: true}.encode())
			for s.State == Going {
				s = client.Receive(server.answer(s.Send))
			}
			wantFailed(t, "client", s, "peer did not ask for our certificate")
			if server.answer(s.Send); !server.ended() {
				t.Errorf("the server was not told: %v", server.err)
			}
			wantNothingMore(t, client)
		})
		t.Run("a client that has none, "+v.name, func(t *testing.T) {
			server := open(t, whole(serverConfig(v.of)))
			client := newRogue(t, clientConfig(v.of), func(c *tls.Config) {
				c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tls.Certificate{}, nil }
			})
			server.Start()
			s := server.Receive(client.answer([]byte{0}))
			for s.State == Going {
				s = server.Receive(client.answer(s.Send))
			}
			wantFailed(t, "server", s, "client didn't provide a certificate")
			wantNothingMore(t, server)
		})
	}
}

func TestOwnCertificate(t *testing.T) {
	for name, c := range map[string]struct {
		own  func() (*tls.Certificate, error)
		want string
	}{
		"that cannot be had": {func() (*tls.Certificate, error) { return nil, errors.New("our own certificate expired on 2026-01-02") }, "our own certificate expired on 2026-01-02"},
		"that is none":       {own(nil), "there is no certificate of our own"},
		"that is empty":      {own(&tls.Certificate{}), "there is no certificate of our own"},
		"that is broken":     {own(&tls.Certificate{Certificate: [][]byte{{1}}}), "x509: malformed certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			sc, cc := serverConfig(0), clientConfig(0)
			sc.Certificate, cc.Certificate = c.own, c.own
			server, client := open(t, sc), open(t, cc)
			wantFailed(t, "server", server.Start(), c.want)
			wantFailed(t, "client", client.Receive([]byte{flagStart}), c.want)
		})
	}
	t.Run("without its parsed leaf", func(t *testing.T) {
		sc := serverConfig(0)
		sc.Certificate = own(&tls.Certificate{Certificate: serverCert.Certificate, PrivateKey: serverCert.PrivateKey})
		server, client := open(t, sc), open(t, clientConfig(0))
		s, c, _ := converse(t, server, client)
		wantBoth(t, s, c, Succeeded)
		wantEqualResults(t, server.Result(), client.Result(), tls.VersionTLS13)
	})
}

func TestConversationNeedsItsJudge(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a conversation without Verify was made")
		}
	}()
	New(Config{Certificate: own(serverCert)})
}

// Fail closed on what belongs elsewhere in the conversation.
func TestOutOfPlace(t *testing.T) {
	start := fragment{start: true}.encode()
	for _, c := range []struct {
		name   string
		server bool
		after  int // packets of the other end that were right
		pkt    []byte
		want   string
	}{
		{"nothing for a Start", false, 0, nil, "without flags"},
		{"an empty packet for a Start", false, 0, []byte{0}, "before the EAP-TLS Start"},
		{"TLS data for a Start", false, 0, []byte{0, 22, 3, 3}, "before the EAP-TLS Start"},
		{"TLS data in a Start", false, 0, []byte{flagStart, 22}, "Start with TLS data"},
		{"a second Start", false, 1, start, "Start in the middle"},
		{"an empty packet for the server's flight", false, 1, []byte{0}, "empty EAP-TLS packet"},
		{"an empty packet for the octet of success", false, 2, []byte{0}, "empty EAP-TLS packet"},
		{"a Start to the server", true, 0, start, "Start in the middle"},
		{"an empty packet for the client's hello", true, 0, []byte{0}, "empty EAP-TLS packet"},
		{"an empty packet for the client's flight", true, 1, []byte{0}, "empty EAP-TLS packet"},
		{"noise for the client's hello", true, 0, []byte{0, 1, 2, 3, 4, 5}, "TLS with the peer failed: first record does not look like a TLS handshake"},
		{"half a record", true, 0, []byte{0, 22, 3, 3, 0}, "ends in the middle of a message"},
		{"noise for the answer to success", true, 2, []byte{0, 1, 2, 3}, "after the end of the handshake"},
		{"a record for the answer to success", true, 2, []byte{0, 23, 3, 3, 0, 1, 0}, "TLS with the peer failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := advance(t, tls.VersionTLS13, c.server, c.after)
			wantFailed(t, "it", e.Receive(c.pkt), c.want)
			wantNothingMore(t, e)
		})
	}
}

// advance returns an end of a conversation that has had the first packets of the
// other end. Flights are in one piece.
func advance(t testing.TB, version uint16, isServer bool, packets int) *Conversation {
	server, client := open(t, whole(serverConfig(version))), open(t, whole(clientConfig(version)))
	s := server.Start()
	for i := range packets {
		c := client.Receive(s.Send)
		if isServer || i < packets-1 {
			s = server.Receive(c.Send)
		}
	}
	if isServer {
		return server
	}
	return client
}

// No goroutine is left, however far the conversation came: a bubble does not end
// before all of its goroutines have.
func TestNoGoroutineIsLeft(t *testing.T) {
	for _, v := range versions {
		for packets := range 12 {
			t.Run(fmt.Sprintf("%s after %d packets", v.name, packets), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { closeAfter(t, v.of, packets) })
			})
		}
	}
	t.Run("one that was not closed is one", func(t *testing.T) {
		client := New(clientConfig(0))
		defer client.Close()
		before := runtime.NumGoroutine()
		if client.Receive([]byte{flagStart}); runtime.NumGoroutine() <= before {
			t.Error("there is nothing that a bubble could miss")
		}
	})
}

// closeAfter closes both ends, twice, when that many packets were received.
func closeAfter(t *testing.T, version uint16, packets int) {
	server, client := New(serverConfig(version)), New(clientConfig(version))
	s := server.Start()
	for i := 0; i < packets && s.Send != nil; i++ {
		if i%2 == 0 {
			s = client.Receive(s.Send)
		} else {
			s = server.Receive(s.Send)
		}
	}
	for _, e := range []*Conversation{server, client, server, client} {
		e.Close()
	}
	if packets < 4 {
		wantFailed(t, "server", server.Receive([]byte{0}), "the conversation was closed")
		wantFailed(t, "client", client.Receive([]byte{flagStart}), "the conversation was closed")
	}
}

func TestInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := New(serverConfig(0)), New(clientConfig(0))
		defer server.Close()
		defer client.Close()
		s, c, _ := converse(t, server, client)
		wantBoth(t, s, c, Succeeded)
	})
}

// The daemon's main goroutine is tied to its thread, and may be the one that
// closes.
func TestOnAnotherThread(t *testing.T) {
	client := New(clientConfig(0))
	client.Receive([]byte{flagStart})
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		runtime.LockOSThread() // and the thread ends with the goroutine
		client.Close()
	}()
	<-closed
	wantFailed(t, "client", client.Receive([]byte{0}), "the conversation was closed")
}

// A fragment of ours is answered by nothing but an acknowledgement.
func TestFragmentWithoutAcknowledgement(t *testing.T) {
	for _, pkt := range []string{"00 15", "40 16", "80 00000001 16", "c0 00000005 16"} {
		t.Run(pkt, func(t *testing.T) {
			client := open(t, clientConfig(0))
			if s := client.Receive([]byte{flagStart}); s.Send[0] != flagLength|flagMore {
				t.Fatalf("the hello fits into one packet: % x", s.Send)
			}
			wantFailed(t, "client", client.Receive(unhex(t, pkt)), "peer did not acknowledge a fragment")
			wantNothingMore(t, client)
		})
	}
}

func TestStateString(t *testing.T) {
	if got := fmt.Sprint(Going, Succeeded, Failed, State(9)); got != "going succeeded failed state?" {
		t.Error(got)
	}
}

func BenchmarkHandshake(b *testing.B) {
	for _, v := range versions {
		b.Run(v.name, func(b *testing.B) {
			for b.Loop() {
				server, client := New(serverConfig(v.of)), New(clientConfig(v.of))
				if s, c, _ := converse(b, server, client); s.State != Succeeded || c.State != Succeeded {
					b.Fatal(s.Reason, c.Reason)
				}
			}
		})
	}
}

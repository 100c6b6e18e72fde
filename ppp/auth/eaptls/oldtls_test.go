package eaptls

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"testing"
)

// An oldTLS is one end of TLS 1.2 (RFC 5246) without the extended master secret,
// unless ems is set. It knows one suite, ECDHE-ECDSA-AES128-GCM-SHA256 with P-256,
// trusts everybody, and knows its own master secret, which makes it a second
// opinion on our keys.
type oldTLS struct {
	t    *testing.T
	cert *tls.Certificate
	ems  bool

	heard, spoken  []byte // handshake messages: to read, and all so far
	client, server []byte // randoms
	key            *ecdh.PrivateKey
	pre, master    []byte
}

// Handshake messages, as far as they are looked at.
const (
	msgClientHello       = 1
	msgServerHello       = 2
	msgCertificate       = 11
	msgServerKeyExchange = 12
	msgCertRequest       = 13
	msgServerHelloDone   = 14
	msgCertVerify        = 15
	msgClientKeyExchange = 16
	msgFinished          = 20
)

func newOldTLS(t *testing.T, cert *tls.Certificate, ems bool) *oldTLS {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &oldTLS{t: t, cert: cert, ems: ems, key: key}
}

// clientHello is the first flight of a client.
func (o *oldTLS) clientHello() []byte {
	o.client = random32()
	extensions := []byte{0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 4, 0, 2, 4, 3} // P-256, plain points, ECDSA with SHA-256
	if o.ems {
		extensions = append(extensions, 0, 23, 0, 0)
	}
	body := append([]byte{3, 3}, o.client...)
	body = append(body, 0, 0, 2, 0xc0, 0x2b, 1, 0) // no session, the suite, no compression
	return record12(22, o.say(msgClientHello, append(body, sized(2, extensions)...)))
}

// clientFlight answers the flight of a server.
func (o *oldTLS) clientFlight(flight []byte) []byte {
	o.hear(flight)
	o.server = o.next(msgServerHello)[2:34]
	o.next(msgCertificate)
	o.agree(o.next(msgServerKeyExchange)[4:]) // behind the curve and the length of its point
	o.next(msgCertRequest)
	o.next(msgServerHelloDone)
	b := o.say(msgCertificate, o.chain())
	b = append(b, o.say(msgClientKeyExchange, sized(1, o.key.PublicKey().Bytes()))...)
	o.deriveMaster()
	b = append(b, o.say(msgCertVerify, o.sign(o.spoken))...)
	return append(record12(22, b), o.finish("client finished")...)
}

// serverFlight answers the hello of a client.
func (o *oldTLS) serverFlight(hello []byte) []byte {
	o.hear(hello)
	o.client, o.server = o.next(msgClientHello)[2:34], random32()
	body := append(append([]byte{3, 3}, o.server...), 0, 0xc0, 0x2b, 0)
	if o.ems {
		body = append(body, 0, 4, 0, 23, 0, 0)
	}
	b := o.say(msgServerHello, body)
	b = append(b, o.say(msgCertificate, o.chain())...)
	params := append([]byte{3, 0, 23}, sized(1, o.key.PublicKey().Bytes())...)
	signed := append(append(bytes.Clone(o.client), o.server...), params...)
	b = append(b, o.say(msgServerKeyExchange, append(params, o.sign(signed)...))...)
	b = append(b, o.say(msgCertRequest, []byte{1, 64, 0, 2, 4, 3, 0, 0})...)
	return record12(22, append(b, o.say(msgServerHelloDone, nil)...))
}

// serverFinish answers the last flight of a client, without a look at its proofs.
func (o *oldTLS) serverFinish(flight []byte) []byte {
	o.hear(flight)
	o.next(msgCertificate)
	o.agree(o.next(msgClientKeyExchange)[1:])
	o.deriveMaster()
	o.next(msgCertVerify)
	o.say(msgFinished, o.verifyData("client finished")) // sealed, and never other than this
	return o.finish("server finished")
}

// hear takes the handshake messages out of the records of a flight.
func (o *oldTLS) hear(flight []byte) {
	o.t.Helper()
	for len(flight) > 0 {
		if len(flight) < 5 {
			o.t.Fatalf("half a record: % x", flight)
		}
		n := 5 + int(binary.BigEndian.Uint16(flight[3:]))
		switch body := flight[5:n]; flight[0] {
		case 20:
			return // what follows is sealed
		case 22:
			o.heard = append(o.heard, body...)
		default:
			o.t.Fatalf("a record % x", flight[:n])
		}
		flight = flight[n:]
	}
}

// next returns the body of the next message, which must be of that type.
func (o *oldTLS) next(want byte) []byte {
	o.t.Helper()
	if len(o.heard) < 4 || o.heard[0] != want {
		o.t.Fatalf("want message %d, got % x", want, o.heard[:min(4, len(o.heard))])
	}
	n := 4 + int(binary.BigEndian.Uint32(o.heard)&0xffffff)
	msg := o.heard[:n]
	o.heard = o.heard[n:]
	o.spoken = append(o.spoken, msg...)
	return msg[4:]
}

// say adds a message to what was spoken, and returns it.
func (o *oldTLS) say(kind byte, body []byte) []byte {
	msg := append([]byte{kind}, sized(3, body)...)
	o.spoken = append(o.spoken, msg...)
	return msg
}

func (o *oldTLS) chain() []byte { return sized(3, sized(3, o.cert.Certificate[0])) }

// sign makes the signature of a message, by ECDSA with SHA-256.
func (o *oldTLS) sign(b []byte) []byte {
	sum := sha256.Sum256(b)
	sig, err := ecdsa.SignASN1(rand.Reader, o.cert.PrivateKey.(*ecdsa.PrivateKey), sum[:])
	if err != nil {
		o.t.Fatal(err)
	}
	return append([]byte{4, 3}, sized(2, sig)...)
}

// agree takes the point of the other end; others may follow it.
func (o *oldTLS) agree(point []byte) {
	other, err := ecdh.P256().NewPublicKey(point[:65])
	if err != nil {
		o.t.Fatal(err)
	}
	if o.pre, err = o.key.ECDH(other); err != nil {
		o.t.Fatal(err)
	}
}

// deriveMaster is due when the ClientKeyExchange was spoken (RFC 7627, section 4).
func (o *oldTLS) deriveMaster() {
	label, seed := "master secret", append(bytes.Clone(o.client), o.server...)
	if o.ems {
		sum := sha256.Sum256(o.spoken)
		label, seed = "extended master secret", sum[:]
	}
	o.master = prf(sha256.New, o.pre, label, seed, 48)
}

func (o *oldTLS) verifyData(label string) []byte {
	sum := sha256.Sum256(o.spoken)
	return prf(sha256.New, o.master, label, sum[:], 12)
}

// finish is the ChangeCipherSpec and the sealed Finished (RFC 5288).
func (o *oldTLS) finish(label string) []byte {
	keys := prf(sha256.New, o.master, "key expansion", append(bytes.Clone(o.server), o.client...), 40)
	key, salt := keys[:16], keys[32:36]
	if label == "server finished" {
		key, salt = keys[16:32], keys[36:40]
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		o.t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		o.t.Fatal(err)
	}
	msg, first := o.say(msgFinished, o.verifyData(label)), make([]byte, 8)
	about := append(bytes.Clone(first), 22, 3, 3, 0, byte(len(msg)))
	sealed := aead.Seal(bytes.Clone(first), append(bytes.Clone(salt), first...), msg, about)
	return append(record12(20, []byte{1}), record12(22, sealed)...)
}

func record12(kind byte, body []byte) []byte { return append([]byte{kind, 3, 3}, sized(2, body)...) }

// sized puts the length of b in front of it, in that many octets.
func sized(octets int, b []byte) []byte {
	length := binary.BigEndian.AppendUint32(nil, uint32(len(b)))
	return append(length[4-octets:], b...)
}

func random32() []byte {
	b := make([]byte, 32)
	rand.Read(b)
	return b
}

// keys are those of EAP, by this end's own derivation.
func (o *oldTLS) keys() []byte {
	return prf(sha256.New, o.master, "client EAP encryption", append(bytes.Clone(o.client), o.server...), 128)
}

const tooOld = "peer's TLS is too old for safe keys: it has no extended master secret (RFC 7627)"

func whole12() (server, client Config) {
	return whole(serverConfig(tls.VersionTLS12)), whole(clientConfig(tls.VersionTLS12))
}

// A12: a TLS 1.2 peer without the extended master secret is refused in words, on
// either end, before it may believe in a success; with it, the same peer is taken,
// and has our keys.
func TestAttackA12NoExtendedMasterSecret(t *testing.T) {
	sc, cc := whole12()
	t.Run("client with it", func(t *testing.T) {
		old, server := newOldTLS(t, clientCert, true), open(t, sc)
		s := driveServer(server, old)
		if s.State != Going || s.Send[1] != 20 {
			t.Fatalf("after the client's Finished: %+v", s)
		}
		if s = server.Receive([]byte{0}); s.State != Succeeded {
			t.Fatalf("%+v", s)
		}
		wantKeys(t, server.Result(), old)
	})
	t.Run("client without it", func(t *testing.T) {
		server := open(t, sc)
		s := driveServer(server, newOldTLS(t, clientCert, false))
		wantFailed(t, "server", s, tooOld)
		if want := append([]byte{0}, insufficientSecurity...); !bytes.Equal(s.Send, want) {
			t.Errorf("sent % x, want an alert and no Finished", s.Send)
		}
		wantNothingMore(t, server)
	})
	t.Run("server with it", func(t *testing.T) {
		old, client := newOldTLS(t, serverCert, true), open(t, cc)
		if s := driveClient(client, old); s.State != Succeeded || !bytes.Equal(s.Send, []byte{0}) {
			t.Fatalf("%+v", s)
		}
		wantKeys(t, client.Result(), old)
	})
	t.Run("server without it", func(t *testing.T) {
		client := open(t, cc)
		s := driveClient(client, newOldTLS(t, serverCert, false))
		wantFailed(t, "client", s, tooOld)
		if len(s.Send) < 2 || s.Send[1] != 21 {
			t.Errorf("sent % x, want an alert", s.Send)
		}
		wantNothingMore(t, client)
	})
	t.Run("the alert is understood", func(t *testing.T) {
		client := advance(t, tls.VersionTLS12, false, 2)
		s := client.Receive(fragment{data: insufficientSecurity}.encode())
		wantFailed(t, "client", s, "peer ended TLS: insufficient security level")
	})
}

// driveServer brings the conversation to where old's Finished is answered.
func driveServer(server *Conversation, old *oldTLS) Step {
	server.Start()
	s := server.Receive(fragment{data: old.clientHello()}.encode())
	return server.Receive(fragment{data: old.clientFlight(s.Send[1:])}.encode())
}

// driveClient brings the conversation to where old's Finished is answered.
func driveClient(client *Conversation, old *oldTLS) Step {
	s := client.Receive([]byte{flagStart})
	s = client.Receive(fragment{data: old.serverFlight(s.Send[1:])}.encode())
	return client.Receive(fragment{data: old.serverFinish(s.Send[1:])}.encode())
}

func wantKeys(t *testing.T, r Result, old *oldTLS) {
	t.Helper()
	if got := append(r.MSK[:], r.EMSK[:]...); !bytes.Equal(got, old.keys()) {
		t.Errorf("keys %x, want %x", got, old.keys())
	}
}

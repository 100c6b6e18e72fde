package eaptls

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"regexp"
	"testing"
)

// A rogue is TLS that a test drives against a Conversation, to do what ours never
// does. Its flights are in one piece.
type rogue struct {
	*handshake
	t       testing.TB
	secrets bytes.Buffer // as NSS key logs have them
}

// newRogue begins with what ours would use; tune changes that.
func newRogue(t testing.TB, c Config, tune func(*tls.Config)) *rogue {
	t.Helper()
	own, err := c.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	h := &handshake{turns: newTurns()}
	r := &rogue{handshake: h, t: t}
	settings := h.settings(c, own)
	settings.KeyLogWriter = &r.secrets
	if tune != nil {
		tune(settings)
	}
	h.over(c, settings)
	t.Cleanup(h.stop)
	return r
}

// answer is the type data that answers typeData, which is in one piece.
func (r *rogue) answer(typeData []byte) []byte {
	r.t.Helper()
	f, err := parseFragment(typeData)
	if err != nil || f.more {
		r.t.Fatalf("the rogue got %x, %v", typeData, err)
	}
	r.feed(f.data)
	return r.packet()
}

// packet is the type data of what was gathered.
func (r *rogue) packet() []byte { return fragment{data: r.written()}.encode() }

// write sends application data.
func (r *rogue) write(b []byte) []byte {
	r.t.Helper()
	if _, err := r.conn.Write(b); err != nil {
		r.t.Fatal(err)
	}
	return r.packet()
}

// whole lets c send flights in one piece.
func whole(c Config) Config {
	c.FragmentSize = maxFlight
	return c
}

// A sealer makes records of a TLS 1.3 server apart from its TLS: those that TLS
// would not make, or not yet.
type sealer struct {
	aead cipher.AEAD
	iv   []byte
	sent uint64
}

// newSealer takes the server's secret for data, which it has as soon as its own
// Finished is sent.
func newSealer(r *rogue) *sealer {
	r.t.Helper()
	found := regexp.MustCompile(`SERVER_TRAFFIC_SECRET_0 \S+ (\S{64})\n`).FindSubmatch(r.secrets.Bytes())
	if found == nil {
		r.t.Skip("TLS chose a suite without SHA-256 here")
	}
	secret, err := hex.AppendDecode(nil, found[1])
	must(r.t, err)
	key, err := expandLabel(sha256.New, secret, "key", nil, 16)
	must(r.t, err)
	iv, err := expandLabel(sha256.New, secret, "iv", nil, 12)
	must(r.t, err)
	block, err := aes.NewCipher(key)
	must(r.t, err)
	aead, err := cipher.NewGCM(block)
	must(r.t, err)
	return &sealer{aead: aead, iv: iv}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// record is RFC 8446, section 5.2.
func (s *sealer) record(kind byte, content []byte) []byte {
	nonce := append(make([]byte, 4), binary.BigEndian.AppendUint64(nil, s.sent)...)
	for i, b := range s.iv {
		nonce[i] ^= b
	}
	s.sent++
	inner := append(bytes.Clone(content), kind)
	n := len(inner) + s.aead.Overhead()
	header := []byte{23, 3, 3, byte(n >> 8), byte(n)}
	return s.aead.Seal(bytes.Clone(header), nonce, inner, header)
}

// ticket is a NewSessionTicket with that many octets of ticket (RFC 8446, section
// 4.6.1).
func ticket(octets int) []byte {
	body := append(make([]byte, 9), sized(2, make([]byte, octets))...) // lifetime, age, no nonce
	return append([]byte{4}, sized(3, append(body, 0, 0))...)
}

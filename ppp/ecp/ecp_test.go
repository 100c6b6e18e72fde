package ecp

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ppp/aead"
	"sitebridge/ppp/fsm"
	"sitebridge/ppp/fsm/fsmtest"
)

// config is what the EAP peer, or the authenticator, of one link knows.
func config(authenticator bool) Config {
	cfg := Config{
		EMSK:            [64]byte([]byte("not so secret, and sixty-four octets long, as an EMSK has to be.")),
		PeerCertificate: [32]byte{1}, AuthenticatorCertificate: [32]byte{2},
		Authenticator: authenticator,
		OurLCP:        fsmtest.Unhex("050601020304"), PeerLCP: fsmtest.Unhex("050605060708 0702"),
	}
	if authenticator {
		cfg.OurLCP, cfg.PeerLCP = cfg.PeerLCP, cfg.OurLCP
	}
	return cfg
}

func prefer(authenticator bool, c aead.Cipher) Config {
	cfg := config(authenticator)
	cfg.Cipher = c
	return cfg
}

// A line joins two machines, and may lose or change what they send.
type line struct {
	machines [2]*fsm.Machine
	now      time.Time
	queue    []delivery
}

type delivery struct {
	to  int
	pkt []byte
}

// connect opens both protocols on a line. on sees each packet, and returns it, or
// another, or nil.
func connect(a, b fsm.Protocol, on func(from int, pkt []byte) []byte) *line {
	l := &line{now: time.Unix(1e9, 0)}
	for i, p := range []fsm.Protocol{a, b} {
		l.machines[i] = fsm.NewMachine(p, fsm.Config{
			Now:        func() time.Time { return l.now },
			AckRepeats: true,
			Send: func(pkt []byte) {
				if pkt = on(i, bytes.Clone(pkt)); pkt != nil {
					l.queue = append(l.queue, delivery{1 - i, pkt})
				}
			},
		})
	}
	for _, m := range l.machines {
		m.Open()
		m.LowerUp()
	}
	return l
}

func unchanged(_ int, pkt []byte) []byte { return pkt }

// run delivers what is sent, and lets the time pass in between.
func (l *line) run(d time.Duration) {
	for end := l.now.Add(d); l.now.Before(end); l.now = l.now.Add(100 * time.Millisecond) {
		for len(l.queue) > 0 {
			next := l.queue[0]
			l.queue = l.queue[1:]
			l.machines[next.to].Receive(next.pkt)
		}
		for _, m := range l.machines {
			m.Expire()
		}
	}
}

func (l *line) wantOpened(t *testing.T) {
	t.Helper()
	for i, m := range l.machines {
		if !m.Opened() {
			t.Fatalf("end %d is %v because of %v", i, m.State(), m.Reason())
		}
	}
}

// passes reports whether a packet that a seals is opened by b.
func passes(t *testing.T, a, b *Protocol) bool {
	t.Helper()
	pkt := new(packet.Buffer)
	pkt.Set([]byte("\x00\x21abc"))
	a.Coder().Seal([]*packet.Buffer{pkt})
	out, err := b.Coder().Open([]*packet.Buffer{pkt})
	if err != nil {
		t.Fatal(err)
	}
	return len(out) == 1 && string(out[0].Bytes()) == "\x00\x21abc"
}

func TestTwoEndsAgree(t *testing.T) {
	const aes, chacha = aead.AES256GCM, aead.ChaCha20Poly1305
	for _, c := range []struct {
		peer, authenticator aead.Cipher // preferred
		want                string
	}{
		{aes, aes, "AEAD, AES-256-GCM"},
		{aes, chacha, "AEAD, ChaCha20-Poly1305"},
		{chacha, aes, "AEAD, ChaCha20-Poly1305"},
		{chacha, chacha, "AEAD, ChaCha20-Poly1305"},
		{0, 0, "AEAD, " + aead.Preferred().String()},
	} {
		t.Run(fmt.Sprintf("%v and %v", c.peer, c.authenticator), func(t *testing.T) {
			a, b := New(prefer(false, c.peer)), New(prefer(true, c.authenticator))
			l := connect(a, b, unchanged)
			l.run(time.Second)
			l.wantOpened(t)
			if !passes(t, a, b) || !passes(t, b, a) {
				t.Errorf("%v, %v", a.Coder().Counters(), b.Coder().Counters())
			}
			if a.Agreed() != c.want || b.Agreed() != c.want || a.Dispute() != "" {
				t.Errorf("%s, %s; dispute %q", a.Agreed(), b.Agreed(), a.Dispute())
			}
		})
	}
}

// TestLossyLine: whatever is lost, the ends come up, and never with different keys.
func TestLossyLine(t *testing.T) {
	const lines = 200
	up := 0
	for seed := range uint64(lines) {
		dice := rand.New(rand.NewPCG(seed, 1))
		a, b := New(prefer(false, aead.AES256GCM)), New(prefer(true, aead.ChaCha20Poly1305))
		l := connect(a, b, func(_ int, pkt []byte) []byte {
			if dice.Float64() < 0.2 {
				return nil
			}
			return pkt
		})
		l.run(time.Minute)
		switch m, n := l.machines[0], l.machines[1]; {
		case m.Opened() && n.Opened():
			if up++; !passes(t, a, b) || !passes(t, b, a) {
				t.Fatalf("seed %d: keys differ", seed)
			}
		case !errors.Is(m.Reason(), errUsed) && !errors.Is(n.Reason(), errUsed):
			t.Errorf("seed %d: %v because of %v, %v because of %v", seed, m.State(), m.Reason(), n.State(), n.Reason())
		}
	}
	if up != lines {
		t.Errorf("%d of %d came up", up, lines)
	}
}

// TestKeysDependOnTheLink: what one end sees otherwise makes other keys.
func TestKeysDependOnTheLink(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"EMSK":                             func(c *Config) { c.EMSK[0]++ },
		"certificate of the peer":          func(c *Config) { c.PeerCertificate[0]++ },
		"certificate of the authenticator": func(c *Config) { c.AuthenticatorCertificate[31]++ },
		"our LCP":                          func(c *Config) { c.OurLCP[2]++ },
		"the peer's LCP":                   func(c *Config) { c.PeerLCP[2]++ },
		"our LCP, an option less":          func(c *Config) { c.OurLCP = c.OurLCP[:6]; c.PeerLCP = nil },
		"role":                             func(c *Config) { c.Authenticator = !c.Authenticator },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(true)
			change(&cfg)
			a, b := New(config(false)), New(cfg)
			l := connect(a, b, unchanged)
			l.run(time.Second)
			l.wantOpened(t)
			if passes(t, a, b) || passes(t, b, a) {
				t.Error("keys are the same")
			}
			if got := a.Dispute(); !strings.HasPrefix(got, "keys differ: none of the 1 encrypted packets") {
				t.Errorf("dispute %q", got)
			}
		})
	}
}

// TestConfigIsCopied: whose the octets of LCP are does not matter after New.
func TestConfigIsCopied(t *testing.T) {
	cfg := config(false)
	a, b := New(cfg), New(config(true))
	clear(cfg.OurLCP)
	clear(cfg.PeerLCP)
	l := connect(a, b, unchanged)
	l.run(time.Second)
	l.wantOpened(t)
	if !passes(t, a, b) {
		t.Error("keys differ")
	}
}

// salt returns the salt in the last Configure-Request that was sent.
func salt(t *testing.T, sent []fsm.Packet) string {
	t.Helper()
	for i := len(sent) - 1; i >= 0; i-- {
		if p := sent[i]; p.Code == fsm.ConfigureRequest && len(p.Data) == 55 {
			return string(p.Data[23:])
		}
	}
	t.Fatalf("no request in %v", sent)
	return ""
}

func TestEachRequestHasItsSalt(t *testing.T) {
	p := New(config(false))
	b := fsmtest.NewBench(t, p)
	first := b.Sent()[0]
	seen := map[string]bool{salt(t, []fsm.Packet{first}): true}
	b.Pass(time.Second)
	if again := b.Sent(); len(again) != 1 || again[0].ID != first.ID || !bytes.Equal(again[0].Data, first.Data) {
		t.Errorf("repeated as %v, want %v", again, first)
	}
	fresh := func(what string, sent []fsm.Packet) {
		t.Helper()
		s := salt(t, sent)
		if seen[s] {
			t.Errorf("after %s: a salt comes again", what)
		}
		seen[s] = true
	}
	id := first.ID
	for range 3 {
		sent := b.Give(fsm.ConfigureNak, id, offer{Cipher: aead.AES256GCM}.option())
		fresh("a Nak", sent)
		id = sent[len(sent)-1].ID
	}
	b.LowerDown()
	b.LowerUp()
	fresh("a new negotiation", b.Sent())
	if seen[string(make([]byte, 32))] {
		t.Error("a salt is zero")
	}
}

// ours is an option as a peer sends it.
func ours(c aead.Cipher) fsm.Option { return offer{Cipher: c, Salt: [32]byte{5, 6, 7}}.option() }

func hint(c aead.Cipher) fsm.Option { return offer{Cipher: c}.option() }

// with returns an option with another octet at i.
func with(o fsm.Option, i int, octet byte) fsm.Option {
	o.Data = bytes.Clone(o.Data)
	o.Data[i] = octet
	return o
}

func TestJudge(t *testing.T) {
	const aes, chacha = aead.AES256GCM, aead.ChaCha20Poly1305
	dese := fsm.Option{Type: 1, Data: make([]byte, 8)}
	short, long := ours(aes), ours(aes)
	short.Data, long.Data = short.Data[:52], append(bytes.Clone(long.Data), 0)
	for _, c := range []struct {
		name string
		opts []fsm.Option
		want fsm.Verdict
	}{
		{"AES", []fsm.Option{ours(aes)}, fsm.Verdict{Code: fsm.ConfigureAck}},
		{"ChaCha20", []fsm.Option{ours(chacha)}, fsm.Verdict{Code: fsm.ConfigureAck}},
		{"nothing", nil, fsm.Verdict{Code: fsm.ConfigureNak, Options: []fsm.Option{hint(aes)}}},
		{"cipher 0", []fsm.Option{with(ours(aes), 20, 0)}, fsm.Verdict{Code: fsm.ConfigureNak, Options: []fsm.Option{hint(aes)}}},
		{"cipher 3", []fsm.Option{with(ours(aes), 20, 3)}, fsm.Verdict{Code: fsm.ConfigureNak, Options: []fsm.Option{hint(aes)}}},
		{"DES", []fsm.Option{dese}, fsm.Verdict{Code: fsm.ConfigureReject, Options: []fsm.Option{dese}}},
		{"DES and ours", []fsm.Option{dese, ours(aes)}, fsm.Verdict{Code: fsm.ConfigureReject, Options: []fsm.Option{dese}}},
		{"cipher 3 and DES", []fsm.Option{with(ours(aes), 20, 3), dese}, fsm.Verdict{Code: fsm.ConfigureReject, Options: []fsm.Option{dese}}},
		{"another OUI", []fsm.Option{with(ours(aes), 0, 0)}, fsm.Verdict{Code: fsm.ConfigureReject, Options: []fsm.Option{with(ours(aes), 0, 0)}}},
		{"another subtype", []fsm.Option{with(ours(aes), 3, 2)}, fsm.Verdict{Code: fsm.ConfigureReject, Options: []fsm.Option{with(ours(aes), 3, 2)}}},
		{"another identifier", []fsm.Option{with(ours(aes), 19, 0)}, fsm.Verdict{Code: fsm.ConfigureReject, Options: []fsm.Option{with(ours(aes), 19, 0)}}},
		{"too short", []fsm.Option{short}, fsm.Verdict{Code: fsm.ConfigureReject, Options: []fsm.Option{short}}},
		{"too long", []fsm.Option{long}, fsm.Verdict{Code: fsm.ConfigureReject, Options: []fsm.Option{long}}},
		{"empty OUI", []fsm.Option{{Type: 0}}, fsm.Verdict{Code: fsm.ConfigureReject, Options: []fsm.Option{{Type: 0}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := New(prefer(false, aes))
			got := p.Judge(c.opts, false)
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if up := p.Up() == nil; up != (got.Code == fsm.ConfigureAck) {
				t.Errorf("up: %v", up)
			}
		})
	}
}

// TestSwaying: an end without AES in its processor asks once for the other cipher,
// and gives in to a peer that insists. The directions then differ.
func TestSwaying(t *testing.T) {
	p := New(prefer(true, aead.ChaCha20Poly1305))
	b := fsmtest.NewBench(t, p)
	request := b.Sent()[0]
	got := b.Give(fsm.ConfigureRequest, 1, ours(aead.AES256GCM))
	if len(got) != 1 || got[0].Code != fsm.ConfigureNak || !bytes.Equal(got[0].Data, fsm.AppendOptions(nil, []fsm.Option{hint(aead.ChaCha20Poly1305)})) {
		t.Errorf("answered by %v", got)
	}
	got = b.Give(fsm.ConfigureRequest, 2, ours(aead.AES256GCM))
	if len(got) != 1 || got[0].Code != fsm.ConfigureAck {
		t.Errorf("the peer that insists is answered by %v", got)
	}
	b.GiveData(fsm.ConfigureAck, request.ID, request.Data)
	if want := "AEAD, AES-256-GCM out, ChaCha20-Poly1305 in"; !b.Opened() || p.Agreed() != want {
		t.Errorf("%v with %s, want %s", b.State(), p.Agreed(), want)
	}
}

// TestSecondUpIsRefused: after a peer that begins anew, or that never stopped.
func TestSecondUpIsRefused(t *testing.T) {
	p := New(config(false))
	b := fsmtest.NewBench(t, p)
	agree(t, b)
	coder := p.Coder()
	before := fmt.Sprint(coder.Counters())
	sent := b.Give(fsm.ConfigureRequest, 9, ours(aead.AES256GCM))
	if b.Opened() || len(sent) != 2 {
		t.Fatalf("%v, sent %v", b.State(), sent)
	}
	b.GiveData(fsm.ConfigureAck, sent[0].ID, sent[0].Data)
	if b.Opened() || b.State() != fsm.Closing || !errors.Is(b.Reason(), errUsed) {
		t.Errorf("%v because of %v, want %v", b.State(), b.Reason(), errUsed)
	}
	if p.Coder() != coder || fmt.Sprint(coder.Counters()) != before {
		t.Error("there is another coder")
	}
	if err := p.Up(); !errors.Is(err, errUsed) {
		t.Errorf("Up: %v", err)
	}
}

// agree answers what the machine on b asks for, and asks the same.
func agree(t *testing.T, b *fsmtest.Bench) {
	t.Helper()
	request := b.Sent()[0]
	b.GiveData(fsm.ConfigureAck, request.ID, request.Data)
	b.Give(fsm.ConfigureRequest, 1, ours(aead.ChaCha20Poly1305))
	if !b.Opened() {
		t.Fatalf("%v because of %v", b.State(), b.Reason())
	}
}

func TestRejectedOptionEndsIt(t *testing.T) {
	p := New(config(false))
	b := fsmtest.NewBench(t, p)
	request := b.Sent()[0]
	b.GiveData(fsm.ConfigureReject, request.ID, request.Data)
	if b.State() != fsm.Closing || !errors.Is(b.Reason(), errRejected) {
		t.Errorf("%v because of %v", b.State(), b.Reason())
	}
	if got := p.Dispute(); !strings.Contains(got, "Configure-Reject") {
		t.Errorf("dispute %q", got)
	}
}

// TestPeerWithoutOffer: it accepts what we ask for, and asks for nothing.
func TestPeerWithoutOffer(t *testing.T) {
	b := fsmtest.NewBench(t, New(config(false)))
	request := b.Sent()[0]
	b.GiveData(fsm.ConfigureAck, request.ID, request.Data)
	for id := range byte(20) {
		b.Give(fsm.ConfigureRequest, id)
	}
	if b.Opened() || !errors.Is(b.Reason(), errNoOffer) {
		t.Errorf("%v because of %v", b.State(), b.Reason())
	}
}

func TestNoRandomness(t *testing.T) {
	cfg := config(false)
	cfg.Rand = strings.NewReader("too little")
	p := New(cfg)
	p.Judge([]fsm.Option{ours(aead.AES256GCM)}, false)
	if err := p.Up(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Up: %v", err)
	}
	if err := p.Naked(nil); err == nil {
		t.Error("a Nak was taken")
	}
}

func TestInside(t *testing.T) {
	p := New(config(false))
	for protocol, want := range map[uint16]bool{
		0x0021: true, 0x002b: true, 0x0057: true, 0x00fd: true, 0x003d: true, 0x0281: true,
		0x8021: true, 0x802b: true, 0x8057: true, 0x80fb: true,
		0x0053: false, 0x8053: false, 0x80fd: false,
		0xc021: false, 0xc023: false, 0xc223: false, 0xc227: false,
	} {
		if got := p.Inside(protocol); got != want {
			t.Errorf("%04x inside: %v, want %v", protocol, got, want)
		}
	}
	if p.Name() != "ECP" || p.Number() != 0x8053 || p.Data() != 0x0053 || p.Method() != "aead" || p.Repeatable(0) {
		t.Error("names and numbers")
	}
}

func TestDispute(t *testing.T) {
	const begins = "we asked for AES-256-GCM in ECP option 0, the peer "
	for _, c := range []struct {
		name string
		do   func(*Protocol)
		want string
	}{
		{"silence", func(*Protocol) {}, ""},
		{"empty", func(p *Protocol) { p.Judge(nil, false) }, begins + "asks for no encryption: each end must ask for a cipher"},
		{"ours, and no answer to our request", func(p *Protocol) { p.Judge([]fsm.Option{ours(2)}, false) }, begins + "asks for ChaCha20-Poly1305"},
		{"cipher 7", func(p *Protocol) { p.Judge([]fsm.Option{with(ours(1), 20, 7)}, false) },
			begins + "asks for cipher 7: the cipher must be 1 or 2"},
		{"DES", func(p *Protocol) { p.Judge([]fsm.Option{{Type: 1}, {Type: 2}, {Type: 3}}, false) },
			begins + "asks for option 1 (DES), option 2 (triple DES), option 3 (DES): only ECP option 0 of this cipher is known"},
		{"another OUI", func(p *Protocol) { p.Judge([]fsm.Option{{Data: []byte("\x1b[2Jxyz")}}, false) },
			begins + "asks for option 0 (OUI 1b5b32, subtype 74): only ECP option 0 of this cipher is known"},
		{"many", func(p *Protocol) { p.Judge(make([]fsm.Option, 100), false) },
			begins + "asks for option 0, option 0, option 0, option 0, and more: only ECP option 0 of this cipher is known"},
		{"Nak for DES", func(p *Protocol) { p.Naked([]fsm.Option{{Type: 1}}) },
			begins + "wants option 1 (DES) instead (Configure-Nak): only ECP option 0 of this cipher is known"},
		{"Nak for no cipher", func(p *Protocol) { p.Naked([]fsm.Option{with(ours(1), 20, 0)}) },
			begins + "wants cipher 0 instead (Configure-Nak): the cipher must be 1 or 2"},
		{"Nak for another OUI", func(p *Protocol) { p.Naked([]fsm.Option{{Data: []byte("xyzzy")}}) },
			begins + "wants option 0 (OUI 78797a, subtype 122) instead (Configure-Nak): only ECP option 0 of this cipher is known"},
		{"Nak for the other cipher", func(p *Protocol) { p.Naked([]fsm.Option{hint(aead.ChaCha20Poly1305)}) }, ""},
		{"rejected", func(p *Protocol) { p.Rejected(nil) }, begins + "rejects that (Configure-Reject): both ends must have this cipher"},
		{"anew", func(p *Protocol) { p.Rejected(nil); p.Reset() }, ""},
	} {
		p := New(prefer(false, aead.AES256GCM))
		c.do(p)
		if got := p.Dispute(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestNothingSecretIsPrinted(t *testing.T) {
	cfg := config(false)
	p := New(cfg)
	var out bytes.Buffer
	for _, log := range []*slog.Logger{
		slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil)),
	} {
		log.Info("x", "config", cfg, "pointer", &cfg, "protocol", p)
	}
	json.NewEncoder(&out).Encode([]any{cfg, p})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		fmt.Fprintf(&out, verb+verb+verb+verb, cfg, &cfg, p, *p)
	}
	for _, s := range []string{"not so secret", fmt.Sprintf("%x", "not so secret"), "110 111 116 32 115", "0x6e, 0x6f, 0x74", "bm90IHNv"} {
		if strings.Contains(out.String(), s) {
			t.Errorf("%q is shown in %s", s, out.String())
		}
	}
}

// TestVectors runs both ends of each link of the vectors: their options, and every
// packet.
func TestVectors(t *testing.T) {
	b, err := os.ReadFile("../aead/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var links []struct {
		Name, EMSK, PeerCertificateHash, AuthenticatorCertificateHash string
		PeerLCP, AuthenticatorLCP, PeerECP, AuthenticatorECP          string
		Directions                                                    []struct {
			Packets []struct{ Plaintext, Packet string }
		}
	}
	if err := json.Unmarshal(b, &links); err != nil {
		t.Fatal(err)
	}
	for _, v := range links {
		t.Run(v.Name, func(t *testing.T) {
			var ends [2]*Protocol
			for i, ecp := range []string{v.PeerECP, v.AuthenticatorECP} {
				option := fsmtest.Unhex(ecp)
				cfg := Config{
					EMSK:                     [64]byte(fsmtest.Unhex(v.EMSK)),
					PeerCertificate:          [32]byte(fsmtest.Unhex(v.PeerCertificateHash)),
					AuthenticatorCertificate: [32]byte(fsmtest.Unhex(v.AuthenticatorCertificateHash)),
					OurLCP:                   fsmtest.Unhex(v.PeerLCP), PeerLCP: fsmtest.Unhex(v.AuthenticatorLCP),
					Rand: bytes.NewReader(option[23:]), Cipher: aead.Cipher(option[22]),
					Limits: aead.Limits{Packets: 2},
				}
				if i == 1 {
					cfg.Authenticator, cfg.OurLCP, cfg.PeerLCP = true, cfg.PeerLCP, cfg.OurLCP
				}
				ends[i] = New(cfg)
				if got := fsm.AppendOptions(nil, ends[i].Request()); !bytes.Equal(got, option) {
					t.Errorf("option %x, want %x", got, option)
				}
			}
			for i, p := range ends {
				if got := p.Judge(ends[1-i].Request(), true); got.Code != fsm.ConfigureAck {
					t.Fatalf("judged %v", got)
				}
			}
			for i, p := range ends {
				if err := p.Up(); err != nil {
					t.Fatal(err)
				}
				for _, pkt := range v.Directions[i].Packets {
					buf := new(packet.Buffer)
					buf.Set(fsmtest.Unhex(pkt.Plaintext))
					p.Coder().Seal([]*packet.Buffer{buf})
					if got := hex.EncodeToString(buf.Bytes()); got != pkt.Packet {
						t.Errorf("sealed %s, want %s", got, pkt.Packet)
					}
				}
			}
		})
	}
}

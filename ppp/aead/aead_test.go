package aead

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/internal/race"
)

// exchange returns what both ends of a link know, with an EMSK of its own.
func exchange() Exchange {
	emsk := new([64]byte)
	copy(emsk[:], "not so secret, and sixty-four octets long, as an EMSK has to be.")
	return Exchange{
		EMSK: emsk,
		Peer: End{
			Certificate: [32]byte{1}, LCP: []byte{5, 6, 1, 2, 3, 4}, ECP: []byte{0, 3, 1},
			Salt: [32]byte{11}, Cipher: AES256GCM,
		},
		Authenticator: End{
			Certificate: [32]byte{2}, LCP: []byte{5, 6, 5, 6, 7, 8}, ECP: []byte{0, 3, 2},
			Salt: [32]byte{12}, Cipher: AES256GCM,
		},
	}
}

// pair returns the two ends of one link.
func pair(l Limits) (peer, authenticator *Coder) {
	return New(exchange(), false, l), New(exchange(), true, l)
}

// buffers returns packets with these octets.
func buffers(t testing.TB, contents ...string) []*packet.Buffer {
	t.Helper()
	var pkts []*packet.Buffer
	for _, c := range contents {
		b := new(packet.Buffer)
		if !b.Set([]byte(c)) {
			t.Fatal("too long for a buffer")
		}
		pkts = append(pkts, b)
	}
	return pkts
}

// seal returns sealed packets as octets.
func seal(t testing.TB, c *Coder, contents ...string) []string {
	t.Helper()
	pkts := buffers(t, contents...)
	c.Seal(pkts)
	return octets(pkts)
}

func octets(pkts []*packet.Buffer) []string {
	var out []string
	for _, b := range pkts {
		out = append(out, string(b.Bytes()))
	}
	return out
}

// open gives sealed packets to c and returns what comes out.
func open(t testing.TB, c *Coder, sealed ...string) []string {
	t.Helper()
	out, err := c.Open(buffers(t, sealed...))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return octets(out)
}

// wantDropped gives a packet that must go no further, for this reason.
func wantDropped(t testing.TB, c *Coder, why verdict, sealed string) {
	t.Helper()
	before := c.Counters()[why.String()]
	if got := open(t, c, sealed); got != nil {
		t.Errorf("a packet that is %v came out as %x", why, got)
	}
	if after := c.Counters()[why.String()]; after != before+1 {
		t.Errorf("not counted as %v: %v", why, c.Counters())
	}
}

func wantOpened(t testing.TB, c *Coder, sealed string, want string) {
	t.Helper()
	if got := open(t, c, sealed); !slices.Equal(got, []string{want}) {
		t.Errorf("got %x, want %x; %v", got, want, c.Counters())
	}
}

func TestBothEndsAgree(t *testing.T) {
	for _, toPeer := range []Cipher{AES256GCM, ChaCha20Poly1305} {
		for _, toAuthenticator := range []Cipher{AES256GCM, ChaCha20Poly1305} {
			t.Run(fmt.Sprintf("%v to the peer, %v to the authenticator", toPeer, toAuthenticator), func(t *testing.T) {
				x, y := exchange(), exchange()
				for _, x := range []*Exchange{&x, &y} {
					x.Peer.Cipher, x.Authenticator.Cipher = toPeer, toAuthenticator
				}
				peer, authenticator := New(x, false, Limits{}), New(y, true, Limits{})
				for _, way := range [][2]*Coder{{peer, authenticator}, {authenticator, peer}} {
					plain := []string{"\x21", "\x00\x21abc", "\x00\x2b" + strings.Repeat("x", 1500)}
					sealed := seal(t, way[0], plain...)
					for i, s := range sealed {
						if len(s) != len(plain[i])+way[0].Overhead() {
							t.Errorf("%d octets became %d", len(plain[i]), len(s))
						}
						if want := []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(i)}; s[:12] != string(want) {
							t.Errorf("header %x, want %x", s[:12], want)
						}
					}
					if got := open(t, way[1], sealed...); !slices.Equal(got, plain) {
						t.Errorf("got %x, want %x", got, plain)
					}
				}
			})
		}
	}
}

// TestKeysDependOnEverything: whatever differs at one end, no packet of the other
// is taken.
func TestKeysDependOnEverything(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Exchange)
	}{
		{"EMSK", func(x *Exchange) { x.EMSK[63]++ }},
		{"salt of the peer", func(x *Exchange) { x.Peer.Salt[31]++ }},
		{"salt of the authenticator", func(x *Exchange) { x.Authenticator.Salt[0]++ }},
		{"certificate of the peer", func(x *Exchange) { x.Peer.Certificate[31]++ }},
		{"certificate of the authenticator", func(x *Exchange) { x.Authenticator.Certificate[0]++ }},
		{"LCP of the peer", func(x *Exchange) { x.Peer.LCP[5]++ }},
		{"LCP of the authenticator", func(x *Exchange) { x.Authenticator.LCP[5]++ }},
		{"LCP of the peer, longer", func(x *Exchange) { x.Peer.LCP = append(x.Peer.LCP, 0) }},
		{"LCP of nobody", func(x *Exchange) { x.Peer.LCP, x.Authenticator.LCP = nil, nil }},
		{"an octet of LCP at the other end", func(x *Exchange) {
			x.Authenticator.LCP = append([]byte{x.Peer.LCP[5]}, x.Authenticator.LCP...)
			x.Peer.LCP = x.Peer.LCP[:5]
		}},
		{"LCP and ECP exchanged", func(x *Exchange) { x.Peer.LCP, x.Peer.ECP = x.Peer.ECP, x.Peer.LCP }},
		{"ECP of the peer", func(x *Exchange) { x.Peer.ECP[2]++ }},
		{"ECP of the authenticator", func(x *Exchange) { x.Authenticator.ECP[2]++ }},
		{"certificates exchanged", func(x *Exchange) {
			x.Peer.Certificate, x.Authenticator.Certificate = x.Authenticator.Certificate, x.Peer.Certificate
		}},
		{"salts exchanged", func(x *Exchange) { x.Peer.Salt, x.Authenticator.Salt = x.Authenticator.Salt, x.Peer.Salt }},
		{"ends exchanged", func(x *Exchange) { x.Peer, x.Authenticator = x.Authenticator, x.Peer }},
		{"ciphers", func(x *Exchange) { x.Peer.Cipher, x.Authenticator.Cipher = ChaCha20Poly1305, ChaCha20Poly1305 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := exchange()
			c.change(&x)
			peer, authenticator := New(x, false, Limits{}), New(exchange(), true, Limits{})
			wantDropped(t, authenticator, forged, seal(t, peer, "\x21abc")[0])
			wantDropped(t, peer, forged, seal(t, authenticator, "\x21abc")[0])
		})
	}
}

// TestTwoOfOneRole: an end that takes the other's role cannot talk to itself.
func TestTwoOfOneRole(t *testing.T) {
	for _, authenticator := range []bool{false, true} {
		a, b := New(exchange(), authenticator, Limits{}), New(exchange(), authenticator, Limits{})
		wantDropped(t, b, forged, seal(t, a, "\x21abc")[0])
	}
}

func TestReflectedPacketIsForged(t *testing.T) {
	a, _ := pair(Limits{})
	wantDropped(t, a, forged, seal(t, a, "\x21abc")[0])
}

func TestEMSKIsWiped(t *testing.T) {
	x := exchange()
	New(x, false, Limits{})
	if *x.EMSK != [64]byte{} {
		t.Errorf("still there: %x", *x.EMSK)
	}
}

// TestChainForgets: the state after a key holds neither the key nor the secret that
// it came from.
func TestChainForgets(t *testing.T) {
	_, c := exchange().chains()
	var secrets [][]byte
	for range 3 {
		before := c.secret
		secrets = append(secrets, bytes.Clone(before))
		c.next()
		if !bytes.Equal(before, make([]byte, secretLen)) {
			t.Error("the secret of an epoch that is made is still there")
		}
		for _, s := range secrets {
			if bytes.Equal(c.secret, s) {
				t.Error("the chain stands still")
			}
		}
	}
}

func TestNothingSecretIsPrinted(t *testing.T) {
	x := exchange()
	coder := New(exchange(), true, Limits{})
	secret := fmt.Sprintf("%x", coder.sealer.chain.secret)
	var out bytes.Buffer
	for _, log := range []*slog.Logger{
		slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil)),
	} {
		log.Info("x", "exchange", x, "pointer", &x, "coder", coder)
	}
	json.NewEncoder(&out).Encode([]any{x, coder})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		fmt.Fprintf(&out, verb+verb+verb, x, &x, coder)
	}
	for _, s := range []string{"not so secret", fmt.Sprintf("%x", "not so secret"), "110 111 116 32 115", "bm90IHNv", secret} {
		if strings.Contains(out.String(), s) {
			t.Errorf("%q is shown in %s", s, out.String())
		}
	}
}

func TestRekeyByCount(t *testing.T) {
	peer, authenticator := pair(Limits{Packets: 3})
	for i := range 20 {
		s := seal(t, peer, fmt.Sprintf("\x21%d", i))[0]
		if want := string([]byte{0, 0, 0, byte(i / 3), 0, 0, 0, 0, 0, 0, 0, byte(i % 3)}); s[:headerLen] != want {
			t.Errorf("packet %d has the header %x, want %x", i, s[:headerLen], want)
		}
		wantOpened(t, authenticator, s, fmt.Sprintf("\x21%d", i))
	}
}

func TestRekeyWithinABatch(t *testing.T) {
	peer, authenticator := pair(Limits{Packets: 10})
	var plain []string
	for i := range packet.BatchLen {
		plain = append(plain, fmt.Sprintf("\x21%d", i))
	}
	if got := open(t, authenticator, seal(t, peer, plain...)...); !slices.Equal(got, plain) {
		t.Errorf("got %d of %d packets: %v", len(got), len(plain), authenticator.Counters())
	}
}

func TestRekeyByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer, authenticator := pair(Limits{})
		for _, c := range []struct {
			wait  time.Duration
			epoch byte
		}{
			{0, 0}, {10*time.Minute - 1, 0}, {1, 1}, {10*time.Minute - 1, 1}, {time.Hour, 2}, {0, 2}, {24 * time.Hour, 3},
		} {
			time.Sleep(c.wait)
			s := seal(t, peer, "\x21")[0]
			if s[3] != c.epoch {
				t.Errorf("after %v more: epoch %d, want %d", c.wait, s[3], c.epoch)
			}
			wantOpened(t, authenticator, s, "\x21")
		}
	})
}

func TestDefaultLimits(t *testing.T) {
	if got, want := (Limits{}).withDefaults(), (Limits{10 * time.Minute, 1 << 28}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestLastEpoch: there is no epoch after the last that has a number, and no nonce
// comes again.
func TestLastEpoch(t *testing.T) {
	peer, _ := pair(Limits{Packets: 2})
	peer.sealer.epoch = math.MaxUint32 - 1
	var headers []string
	for range 6 {
		headers = append(headers, fmt.Sprintf("%x", seal(t, peer, "\x21")[0][:headerLen]))
	}
	want := []string{
		"fffffffe0000000000000000", "fffffffe0000000000000001", "ffffffff0000000000000000",
		"ffffffff0000000000000001", "ffffffff0000000000000002", "ffffffff0000000000000003",
	}
	if !slices.Equal(headers, want) {
		t.Errorf("headers %v, want %v", headers, want)
	}
}

// TestReorderingAcrossARekey: nothing is lost as long as no packet is more than a
// window, or more than an epoch, late.
func TestReorderingAcrossARekey(t *testing.T) {
	for _, late := range []int{1, 100, 1000, windowSize - 1} {
		peer, authenticator := pair(Limits{Packets: 2500})
		var plain, sealed []string
		for i := range 8000 {
			plain = append(plain, fmt.Sprintf("\x21%d", i))
			sealed = append(sealed, seal(t, peer, plain[i])...)
		}
		opened := 0
		for from := 0; from < len(sealed); from += late + 1 { // each stretch backwards
			part := slices.Clone(sealed[from:min(from+late+1, len(sealed))])
			slices.Reverse(part)
			opened += len(open(t, authenticator, part...))
		}
		if opened != len(sealed) {
			t.Errorf("up to %d late: %d of %d opened, %v", late, opened, len(sealed), authenticator.Counters())
		}
	}
}

// TestOpenKeepsAllBuffers: what is dropped is behind what is good, so that a batch
// still has each of its buffers once.
func TestOpenKeepsAllBuffers(t *testing.T) {
	peer, authenticator := pair(Limits{})
	plain := []string{"\x21a", "\x21b", "\x21c", "\x21d", "\x21e"}
	sealed := seal(t, peer, plain...)
	sealed[0], sealed[2], sealed[3] = "x", sealed[1], strings.Repeat("y", 50)
	pkts := buffers(t, sealed...)
	all := slices.Clone(pkts)
	out, _ := authenticator.Open(pkts)
	if got := octets(out); !slices.Equal(got, []string{"\x21b", "\x21e"}) {
		t.Errorf("got %q", got)
	}
	for _, b := range all {
		if !slices.Contains(pkts, b) {
			t.Error("a buffer is gone from its batch")
		}
	}
	if got, want := authenticator.Counters()["opened"], uint64(2); got != want {
		t.Errorf("opened %d, want %d", got, want)
	}
}

func TestMaxInner(t *testing.T) {
	c, _ := pair(Limits{})
	for mru, want := range map[int]int{576: 576, 1500: 1500, 1984: 1984, 65535: 1984} {
		if got := c.MaxInner(mru); got != want {
			t.Errorf("MaxInner(%d) = %d, want %d", mru, got, want)
		}
	}
	// The longest one has room, with a protocol field in front and where a header of
	// 46 octets was taken off.
	b := new(packet.Buffer)
	b.Set(make([]byte, packet.MaxLen))
	b.TrimFront(46)
	b.Truncate(c.MaxInner(65535))
	b.Prepend(2)
	c.Seal([]*packet.Buffer{b})
}

// TestOpenIsSafeForConcurrentUse: of two calls with the same packets, one gets each.
func TestOpenIsSafeForConcurrentUse(t *testing.T) {
	peer, authenticator := pair(Limits{Packets: 100})
	var sealed []string
	for range 1000 {
		sealed = append(sealed, seal(t, peer, "\x21abc")...)
	}
	done := make(chan int)
	for range 2 {
		go func() {
			n := 0
			for part := range slices.Chunk(sealed, 10) {
				out, _ := authenticator.Open(buffers(t, part...))
				n += len(out)
			}
			done <- n
		}()
	}
	if n := <-done + <-done; n > len(sealed) || n == 0 {
		t.Errorf("%d packets came out of %d", n, len(sealed))
	}
	c := authenticator.Counters()
	if sum := c["opened"] + c["replayed"] + c["too_old"]; sum != uint64(2*len(sealed)) {
		t.Errorf("%d of %d are counted: %v", sum, 2*len(sealed), c)
	}
}

func TestStrangers(t *testing.T) {
	peer, authenticator := pair(Limits{})
	s := seal(t, peer, "\x21abc")[0]
	open(t, authenticator, flip(s, 100), flip(s, 101), "short")
	if n := authenticator.Strangers(); n != 2 {
		t.Errorf("%d, want 2", n)
	}
	wantOpened(t, authenticator, s, "\x21abc")
	if n := authenticator.Strangers(); n != 0 {
		t.Errorf("%d after a packet of the peer, want 0", n)
	}
}

// flip returns s with one bit changed.
func flip(s string, bit int) string {
	b := []byte(s)
	b[bit/8] ^= 1 << (bit % 8)
	return string(b)
}

func TestDataPathDoesNotAllocate(t *testing.T) {
	for _, c := range []Cipher{AES256GCM, ChaCha20Poly1305} {
		r := newRig(t, c, 1400)
		for what, f := range map[string]func(){"Seal": r.seal, "Open": r.open} {
			if n := testing.AllocsPerRun(100, f); n != 0 && !race.Enabled {
				t.Errorf("%v: %s allocates %v times for a batch", c, what, n)
			}
		}
		if n := r.to.Counters(); n["forged"]+n["replayed"]+n["too_old"] != 0 {
			t.Errorf("%v", n)
		}
	}
}

func TestNames(t *testing.T) {
	for c, want := range map[Cipher]string{AES256GCM: "AES-256-GCM", ChaCha20Poly1305: "ChaCha20-Poly1305", 0: "cipher 0", 3: "cipher 3"} {
		if got := c.String(); got != want || c.Valid() != (c == 1 || c == 2) {
			t.Errorf("%d: %s, valid %v", byte(c), got, c.Valid())
		}
	}
	if c := Preferred(); !c.Valid() {
		t.Errorf("prefers %v", c)
	}
}

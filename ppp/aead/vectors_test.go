package aead

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
)

var update = flag.Bool("update", false, "write the vectors and the page that prints them")

const (
	vectorFile = "testdata/vectors.json"
	page       = "../../docs/aead.md"
)

// octet strings are hex in JSON.
type octetString []byte

func (o octetString) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(o)), nil }

func (o *octetString) UnmarshalText(b []byte) (err error) {
	*o, err = hex.DecodeString(string(b))
	return err
}

// vectors are of one link.
type vectors struct {
	Name                         string
	EMSK                         octetString
	PeerCertificateHash          octetString
	AuthenticatorCertificateHash octetString
	PeerLCP, AuthenticatorLCP    octetString // options
	PeerECP, AuthenticatorECP    octetString

	// What follows is computed.
	PRK, Context octetString
	Directions   []directionVectors
}

type directionVectors struct {
	From    string
	Cipher  string
	Epochs  []epochVectors
	Packets []packetVectors
}

type epochVectors struct {
	Epoch       uint32
	Secret, Key octetString
}

type packetVectors struct {
	Epoch             uint32
	Counter           uint64
	Plaintext, Packet octetString
}

// What the vectors show: two packets in an epoch, and three epochs.
const (
	vectorEpochs  = 3
	vectorPackets = 2
)

var plaintexts = []string{
	"21 4500002400004000400126d70a0000010a000002 08004458000100017369746562726964", // IPv4 with ICMP, one octet of protocol
	"0021 4500001c00004000400126df0a0000010a000002 0800f7fc00010002",               // and two
	"8021 0101000a 03060aff0001", // IPCP
	"002b ffff 001e 00 04 00000020 ffffffffffff 0452 00000010 020000000001 4003", // IPX
	"57",            // no information at all
	"802b 05050004", // IPXCP
}

func ascending(from byte, n int) octetString {
	b := make(octetString, n)
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

func unhex(s string) octetString {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// fixed are the inputs of the vectors. The options are written by hand.
func fixed() []vectors {
	id := sha256.Sum256([]byte("sitebridge: authenticated encryption for PPP, version 1"))
	ecp := func(cipher byte, salt octetString) octetString {
		return slices.Concat(unhex("00 37 025342 01"), id[:16], []byte{cipher}, salt)
	}
	one := vectors{
		Name:                         "AES-256-GCM to the authenticator, ChaCha20-Poly1305 to the peer",
		EMSK:                         ascending(0x00, 64),
		PeerCertificateHash:          ascending(0x40, 32),
		AuthenticatorCertificateHash: ascending(0x60, 32),
		PeerLCP:                      unhex("0506a1b2c3d4 0702 0802"),
		AuthenticatorLCP:             unhex("0104 05dc 0304c227 050601020304 0702 0802"),
		PeerECP:                      ecp(2, ascending(0x80, 32)),
		AuthenticatorECP:             ecp(1, ascending(0xa0, 32)),
	}
	two := one
	two.Name = "ChaCha20-Poly1305 to the authenticator, AES-256-GCM to the peer; no LCP options from the peer"
	two.PeerLCP = nil
	two.PeerECP, two.AuthenticatorECP = ecp(1, ascending(0xc0, 32)), ecp(2, ascending(0xe0, 32))
	return []vectors{one, two}
}

// by hand is the key schedule of the page, with HMAC and nothing else.
func mac(key []byte, parts ...[]byte) octetString {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func expandByHand(secret octetString, info ...[]byte) octetString {
	return mac(secret, append(info, []byte{1})...)
}

func saltOf(ecp octetString) octetString { return ecp[len(ecp)-32:] }
func cipherOf(ecp octetString) byte      { return ecp[len(ecp)-33] }

func (v *vectors) compute() {
	v.PRK = mac(slices.Concat(saltOf(v.PeerECP), saltOf(v.AuthenticatorECP)), v.EMSK)
	h := sha256.New()
	for _, part := range []octetString{
		octetString("sitebridge aead 1 context"), v.PeerCertificateHash, v.AuthenticatorCertificateHash,
		v.PeerLCP, v.AuthenticatorLCP, v.PeerECP, v.AuthenticatorECP,
	} {
		binary.Write(h, binary.BigEndian, uint32(len(part)))
		h.Write(part)
	}
	v.Context = h.Sum(nil)
	v.Directions = []directionVectors{
		v.direction("EAP peer", 1, cipherOf(v.AuthenticatorECP)),
		v.direction("EAP authenticator", 2, cipherOf(v.PeerECP)),
	}
}

func (v *vectors) direction(from string, octet, kind byte) directionVectors {
	d := directionVectors{From: from, Cipher: map[byte]string{1: "AES-256-GCM", 2: "ChaCha20-Poly1305"}[kind]}
	secret := expandByHand(v.PRK, []byte("sitebridge aead 1 chain"), []byte{octet}, v.Context)
	for epoch := range uint32(vectorEpochs) {
		key := expandByHand(secret, []byte("sitebridge aead 1 key"), []byte{kind})
		d.Epochs = append(d.Epochs, epochVectors{epoch, secret, key})
		for counter := range uint64(vectorPackets) {
			plain := unhex(plaintexts[int(epoch)*vectorPackets+int(counter)])
			d.Packets = append(d.Packets, packetVectors{epoch, counter, plain, sealByHand(kind, key, epoch, counter, plain)})
		}
		secret = expandByHand(secret, []byte("sitebridge aead 1 next"))
	}
	return d
}

func sealByHand(kind byte, key octetString, epoch uint32, counter uint64, plain octetString) octetString {
	var a cipher.AEAD
	if kind == 1 {
		block, _ := aes.NewCipher(key)
		a, _ = cipher.NewGCM(block)
	} else {
		a, _ = chacha20poly1305.New(key)
	}
	header := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, epoch), counter)
	return append(bytes.Clone(header), a.Seal(nil, header, plain, header)...)
}

func readVectors(t *testing.T) []vectors {
	t.Helper()
	b, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var all []vectors
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestVectorsByHand(t *testing.T) {
	want := fixed()
	for i := range want {
		want[i].compute()
	}
	if *update {
		b, err := json.MarshalIndent(want, "", " ")
		if err == nil {
			err = os.WriteFile(vectorFile, append(b, '\n'), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	got := readVectors(t)
	for i := range want {
		if len(want[i].PeerLCP) == 0 {
			want[i].PeerLCP = octetString{}
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s is not what the page's rules give; go test -run Vectors -update writes it", vectorFile)
	}
}

// TestVectors compares the package with the vectors, secret by secret.
func TestVectors(t *testing.T) {
	for _, v := range readVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			exchange := func() Exchange {
				emsk := [64]byte(v.EMSK)
				return Exchange{
					EMSK: &emsk,
					Peer: End{Certificate: [32]byte(v.PeerCertificateHash), LCP: v.PeerLCP, ECP: v.PeerECP,
						Salt: [32]byte(saltOf(v.PeerECP)), Cipher: Cipher(cipherOf(v.PeerECP))},
					Authenticator: End{Certificate: [32]byte(v.AuthenticatorCertificateHash), LCP: v.AuthenticatorLCP,
						ECP: v.AuthenticatorECP, Salt: [32]byte(saltOf(v.AuthenticatorECP)), Cipher: Cipher(cipherOf(v.AuthenticatorECP))},
				}
			}
			x := exchange()
			if got := x.extract(); !bytes.Equal(got, v.PRK) {
				t.Errorf("PRK is %x, want %x", got, v.PRK)
			}
			if got := x.context(); !bytes.Equal(got[:], v.Context) {
				t.Errorf("context is %x, want %x", got, v.Context)
			}
			peers, authenticators := x.chains()
			for i, c := range []*chain{peers, authenticators} {
				for _, e := range v.Directions[i].Epochs {
					if !bytes.Equal(c.secret, e.Secret) {
						t.Errorf("secret of %s in epoch %d is %x, want %x", v.Directions[i].From, e.Epoch, c.secret, e.Secret)
					}
					c.next()
				}
			}
			limits := Limits{Packets: vectorPackets}
			ends := []*Coder{New(exchange(), false, limits), New(exchange(), true, limits)}
			for i, d := range v.Directions {
				for _, p := range d.Packets {
					if got := seal(t, ends[i], string(p.Plaintext))[0]; got != string(p.Packet) {
						t.Errorf("packet %d of epoch %d from %s is %x, want %x", p.Counter, p.Epoch, d.From, got, p.Packet)
					}
					wantOpened(t, ends[1-i], string(p.Packet), string(p.Plaintext))
				}
			}
		})
	}
}

// text is how the page prints vectors.
func (v vectors) text() string {
	var b strings.Builder
	put := func(indent, name string, value octetString) {
		if len(value) == 0 {
			fmt.Fprintf(&b, "%s%s: none\n", indent, name)
			return
		}
		fmt.Fprintf(&b, "%s%s:\n", indent, name)
		for line := range slices.Chunk(value, 32) {
			fmt.Fprintf(&b, "%s  %x\n", indent, []byte(line))
		}
	}
	put("", "EMSK", v.EMSK)
	put("", "hash of the EAP peer's certificate", v.PeerCertificateHash)
	put("", "hash of the EAP authenticator's certificate", v.AuthenticatorCertificateHash)
	put("", "LCP options of the EAP peer", v.PeerLCP)
	put("", "LCP options of the EAP authenticator", v.AuthenticatorLCP)
	put("", "ECP options of the EAP peer", v.PeerECP)
	put("", "ECP options of the EAP authenticator", v.AuthenticatorECP)
	put("", "PRK", v.PRK)
	put("", "context", v.Context)
	for _, d := range v.Directions {
		fmt.Fprintf(&b, "\nfrom the %s, %s\n", d.From, d.Cipher)
		for _, e := range d.Epochs {
			fmt.Fprintf(&b, "  epoch %d\n", e.Epoch)
			put("    ", "secret", e.Secret)
			put("    ", "key", e.Key)
			for _, p := range d.Packets {
				if p.Epoch == e.Epoch {
					put("    ", fmt.Sprintf("plaintext of packet %d", p.Counter), p.Plaintext)
					put("    ", fmt.Sprintf("packet %d", p.Counter), p.Packet)
				}
			}
		}
	}
	return b.String()
}

// The vectors stand between these two in the page.
const (
	beginVectors = "<!-- vectors -->\n"
	endVectors   = "<!-- end of vectors -->\n"
)

func TestPagePrintsTheVectors(t *testing.T) {
	var want strings.Builder
	for i, v := range readVectors(t) {
		fmt.Fprintf(&want, "\n**Link %d**: %s.\n\n```\n%s```\n", i+1, v.Name, v.text())
	}
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), beginVectors)
	got, after, ok2 := strings.Cut(rest, endVectors)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the vectors", page)
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+beginVectors+want.String()+"\n"+endVectors+after), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if strings.TrimRight(got, "\n") != strings.TrimRight(want.String(), "\n") {
		t.Errorf("%s prints other vectors than %s has; go test -run 'Vectors' -update writes them", page, vectorFile)
	}
}

package eaptls

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"os"
	"strings"
	"testing"
)

// A keyVector is one of testdata/eap_tls_keys.json, taken from handshakes of
// others or computed apart from this code.
type keyVector struct {
	Name         string   `json:"name"`
	ClientRandom hexBytes `json:"client_random"`
	ServerRandom hexBytes `json:"server_random"`
	Master       hexBytes `json:"master_secret"`
	Exporter     hexBytes `json:"exporter_master_secret"`
	MSK          hexBytes `json:"msk"`
	EMSK         hexBytes `json:"emsk"`
}

type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.AppendDecode(nil, text)
	return err
}

func TestDerivedKeys(t *testing.T) {
	text, err := os.ReadFile("testdata/eap_tls_keys.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []keyVector
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) != 3 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			version, export := v.exporter()
			msk, emsk, err := deriveKeys(version, false, export)
			if err != nil || !bytes.Equal(msk[:], v.MSK) || !bytes.Equal(emsk[:], v.EMSK) {
				t.Errorf("got MSK %x, EMSK %x, %v\nwant %x, %x", msk, emsk, err, v.MSK, v.EMSK)
			}
		})
	}
}

// exporter is what TLS does with the secrets of the vector.
func (v keyVector) exporter() (version uint16, export exporter) {
	h := sha256.New
	if strings.Contains(v.Name, "SHA384") {
		h = sha512.New384
	}
	if v.Exporter == nil {
		return tls.VersionTLS12, func(label string, context []byte, n int) ([]byte, error) {
			return exportTLS12(h, v.Master, v.ClientRandom, v.ServerRandom, label, context, n)
		}
	}
	return tls.VersionTLS13, func(label string, context []byte, n int) ([]byte, error) {
		empty, told := h(), h()
		told.Write(context)
		secret, err := expandLabel(h, v.Exporter, label, empty.Sum(nil), empty.Size())
		if err != nil {
			return nil, err
		}
		return expandLabel(h, secret, "exporter", told.Sum(nil), n)
	}
}

// exportTLS12 is RFC 5705, section 4, with and without context.
func exportTLS12(h func() hash.Hash, master, client, server []byte, label string, context []byte, n int) ([]byte, error) {
	seed := append(bytes.Clone(client), server...)
	if context != nil {
		seed = append(append(seed, byte(len(context)>>8), byte(len(context))), context...)
	}
	return prf(h, master, label, seed, n), nil
}

// prf is RFC 5246, section 5.
func prf(h func() hash.Hash, secret []byte, label string, seed []byte, n int) (out []byte) {
	seed = append([]byte(label), seed...)
	mac := func(parts ...[]byte) []byte {
		m := hmac.New(h, secret)
		for _, p := range parts {
			m.Write(p)
		}
		return m.Sum(nil)
	}
	for a := mac(seed); len(out) < n; a = mac(a) {
		out = append(out, mac(a, seed)...)
	}
	return out[:n]
}

// expandLabel is RFC 8446, section 7.1.
func expandLabel(h func() hash.Hash, secret []byte, label string, context []byte, n int) ([]byte, error) {
	label = "tls13 " + label
	info := append([]byte{byte(n >> 8), byte(n), byte(len(label))}, label...)
	info = append(append(info, byte(len(context))), context...)
	return hkdf.Expand(h, secret, string(info), n)
}

func TestKeysThatTLSRefuses(t *testing.T) {
	refuse := func(string, []byte, int) ([]byte, error) { return nil, errors.New("not now") }
	for version, want := range map[uint16]string{
		tls.VersionTLS12: "peer's TLS is too old for safe keys: it has no extended master secret (RFC 7627)",
		tls.VersionTLS13: "export the keys from TLS: not now",
	} {
		if _, _, err := deriveKeys(version, false, refuse); err == nil || err.Error() != want {
			t.Errorf("version %x: %v, want %s", version, err, want)
		}
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	server, client := open(t, serverConfig(0)), open(t, clientConfig(0))
	converse(t, server, client)
	r := server.Result()
	key := fmt.Sprintf("%x", r.MSK)[:8]
	number := strings.Trim(fmt.Sprint(r.MSK[:4]), "[]")
	asJSON, err := json.Marshal(map[string]any{"result": r, "conversation": server})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		got := fmt.Sprintf(verb+verb+verb, r, &r, server) + string(asJSON)
		if strings.Contains(got, key) || strings.Contains(got, number) {
			t.Errorf("%s shows keys: %s", verb, got)
		}
	}
}

package mppe

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
)

// unhex turns hex with blanks into octets.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func load(t testing.TB, file string, into any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

// A direction is what the vectors say of one direction.
type direction struct {
	Start   string `json:"start_key"`
	Master  string `json:"master_key"` // what the EAP-TLS file calls the start key
	Initial string `json:"initial_session_key"`
}

type bothDirections struct {
	ToAuthenticator direction `json:"peer_to_authenticator"`
	ToPeer          direction `json:"authenticator_to_peer"`
}

func wantKey(t *testing.T, what string, got key, want string) {
	t.Helper()
	if hex.EncodeToString(got[:]) != want {
		t.Errorf("%s = %x, want %s", what, got, want)
	}
}

// wantDirections checks both ends of a link against the vectors of 128 bits.
func wantDirections(t *testing.T, keys func(authenticator bool) StartKeys, v bothDirections) {
	t.Helper()
	peer, authenticator := keys(false).both, keys(true).both
	for _, c := range []struct {
		name          string
		sends, gets   key
		start, master string
		initial       string
	}{
		{"peer to authenticator", peer.send, authenticator.receive, v.ToAuthenticator.Start, v.ToAuthenticator.Master, v.ToAuthenticator.Initial},
		{"authenticator to peer", authenticator.send, peer.receive, v.ToPeer.Start, v.ToPeer.Master, v.ToPeer.Initial},
	} {
		wantKey(t, c.name+": start key of the sender", c.sends, c.start+c.master)
		wantKey(t, c.name+": start key of the receiver", c.gets, c.start+c.master)
		var first chain
		first.init(c.sends)
		wantKey(t, c.name+": initial session key", first.session, c.initial)
	}
}

// TestAttackE7KeysOfMSCHAP: the known answers of RFC 3079, section 3.5.3, and
// more. Each direction has its own key.
func TestAttackE7KeysOfMSCHAP(t *testing.T) {
	var vectors struct {
		MSCHAPv2 []struct {
			Name             string
			PasswordHashHash string         `json:"password_hash_hash"`
			NTResponse       string         `json:"nt_response"`
			Keys             bothDirections `json:"mppe_128"`
		}
	}
	load(t, "mschap.json", &vectors)
	if len(vectors.MSCHAPv2) != 5 {
		t.Fatalf("%d vectors, want 5", len(vectors.MSCHAPv2))
	}
	for _, v := range vectors.MSCHAPv2 {
		t.Run(v.Name, func(t *testing.T) {
			hash, response := [16]byte(unhex(t, v.PasswordHashHash)), [24]byte(unhex(t, v.NTResponse))
			keys := func(authenticator bool) StartKeys { return FromMSCHAP(hash, response, authenticator) }
			wantDirections(t, keys, v.Keys)
			wantApart(t, keys(false))
			wantApart(t, keys(true))
		})
	}
}

func TestAttackE7KeysOfEAPTLS(t *testing.T) {
	var vectors []struct {
		Name string
		MSK  string
		Keys bothDirections `json:"mppe_128"`
	}
	load(t, "eap_tls_keys.json", &vectors)
	if len(vectors) != 3 {
		t.Fatalf("%d vectors, want 3", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			msk := [64]byte(unhex(t, v.MSK))
			keys := func(authenticator bool) StartKeys { return FromMSK(msk, authenticator) }
			wantDirections(t, keys, v.Keys)
			wantApart(t, keys(false))
			wantApart(t, keys(true))
		})
	}
}

// wantApart fails when what an end sends begins with the keystream of what it
// receives.
func wantApart(t *testing.T, k StartKeys) {
	t.Helper()
	if k.both.send == k.both.receive {
		t.Error("one key for both directions")
	}
	for _, stateful := range []bool{false, true} {
		c := New(k, stateful)
		if c.send.session == c.receive.session {
			t.Errorf("stateful %v: one session key for both directions", stateful)
		}
	}
}

// Neither keys nor what holds them can be printed.
func TestKeysCannotBePrinted(t *testing.T) {
	var msk [64]byte
	for i := range msk {
		msk[i] = 0xa0 + byte(i)
	}
	keys := FromMSK(msk, false)
	coder := New(keys, true)
	// What an owner of them would look like in a log.
	owner := struct {
		keys  StartKeys
		coder *Coder
	}{keys, coder}
	var out bytes.Buffer
	for _, v := range []any{keys, &keys, coder, owner, &owner} {
		fmt.Fprintf(&out, "%v %+v %#v %x\n", v, v, v, v)
	}
	fmt.Fprintf(&out, "%s %q %d", keys, keys, coder)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("keys", "keys", keys, "coder", coder)
	for _, k := range []key{keys.both.send, keys.both.receive, coder.send.session, coder.receive.session} {
		for _, form := range []string{"%x", "%X", "%v", "%#v"} {
			text := strings.TrimLeft(fmt.Sprintf(form, k[:4]), "[]byte{")
			if text = strings.TrimRight(text, "]}"); strings.Contains(out.String(), text) {
				t.Errorf("a key is printed in the form of %s", form)
			}
		}
	}
}

func TestNoKeys(t *testing.T) {
	if !(StartKeys{}).None() || FromMSK([64]byte{}, true).None() {
		t.Error("None is wrong")
	}
	defer func() {
		if recover() == nil {
			t.Error("New took no keys")
		}
	}()
	New(StartKeys{}, false)
}

package auth

import (
	"encoding/hex"
	"encoding/json"
	"math/bits"
	"os"
	"testing"

	"sitebridge/internal/secret"
)

// msVectors are the values of RFC 2759, section 9.2, and four more, computed by
// other programs step by step.
type msVectors struct {
	MSCHAPv2 []struct {
		Name                   string
		NameField              string `json:"name_field"`
		UserHashed             string `json:"user_hashed"`
		Password               string
		AuthenticatorChallenge string   `json:"authenticator_challenge"`
		PeerChallenge          string   `json:"peer_challenge"`
		ChallengeHash          string   `json:"challenge_hash"`
		PasswordHash           string   `json:"password_hash"`
		PasswordHashHash       string   `json:"password_hash_hash"`
		DESKeys                []string `json:"des_keys_with_parity"`
		NTResponse             string   `json:"nt_response"`
		ResponseValue          string   `json:"response_value"`
		AuthenticatorResponse  string   `json:"authenticator_response"`
	}
	DESKeySpreading []struct {
		Raw        string
		WithParity string `json:"with_parity"`
	} `json:"des_key_spreading"`
}

func loadMSVectors(t testing.TB) (v msVectors) {
	t.Helper()
	readJSON(t, "testdata/mschap.json", &v)
	if len(v.MSCHAPv2) != 5 || len(v.DESKeySpreading) != 2 {
		t.Fatalf("%d and %d vectors, want 5 and 2", len(v.MSCHAPv2), len(v.DESKeySpreading))
	}
	return v
}

func readJSON(t testing.TB, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

func TestMSCHAPv2Vectors(t *testing.T) {
	for _, v := range loadMSVectors(t).MSCHAPv2 {
		t.Run(v.Name, func(t *testing.T) {
			want := func(what, got, want string) {
				t.Helper()
				if got != want {
					t.Errorf("%s = %s, want %s", what, got, want)
				}
			}
			q := question{
				challenge: unhex(t, v.AuthenticatorChallenge),
				name:      v.NameField,
				secret:    secret.Secret(v.Password),
			}
			r := parseMSResponse(unhex(t, v.ResponseValue))
			w := work(q, r.peerChallenge)
			hashHash := hashHash(w.passwordHash)
			want("user", withoutDomain(v.NameField), v.UserHashed)
			want("peer challenge", hex.EncodeToString(r.peerChallenge[:]), v.PeerChallenge)
			want("challenge hash", hex.EncodeToString(w.challenge[:]), v.ChallengeHash)
			want("password hash", hex.EncodeToString(w.passwordHash[:]), v.PasswordHash)
			want("hash of the hash", hex.EncodeToString(hashHash[:]), v.PasswordHashHash)
			want("NT response", hex.EncodeToString(w.ntResponse[:]), v.NTResponse)
			want("response value", hex.EncodeToString(r.encode()), v.ResponseValue)
			var keys [21]byte
			copy(keys[:], w.passwordHash[:])
			for i, key := range v.DESKeys {
				want("DES key", spreadWithParity([7]byte(keys[7*i:])), key)
			}
			got := msCHAPv2{}.judge(q, r.encode())
			want("success text", got.text, v.AuthenticatorResponse+" M=Access granted")
			if !got.right {
				t.Error("the response was judged wrong")
			}
			if k := got.keys.(*MasterKeys); k.PasswordHashHash() != hashHash || k.NTResponse() != w.ntResponse || !k.Authenticator() {
				t.Error("the keys are not of this exchange")
			}
		})
	}
}

func TestDESKeySpreading(t *testing.T) {
	for _, v := range loadMSVectors(t).DESKeySpreading {
		if got := spreadWithParity([7]byte(unhex(t, v.Raw))); got != v.WithParity {
			t.Errorf("%s became %s, want %s", v.Raw, got, v.WithParity)
		}
	}
}

// spreadWithParity fills in the odd parity that the published keys show.
func spreadWithParity(raw [7]byte) string {
	key := spread(raw)
	for i, b := range key {
		key[i] |= byte(1 - bits.OnesCount8(b)&1)
	}
	return hex.EncodeToString(key[:])
}

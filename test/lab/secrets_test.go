package lab

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSecretsAreFound: each secret of a folder is recognised in each form in which it
// could be told.
func TestSecretsAreFound(t *testing.T) {
	dir := t.TempDir()
	WriteIdentities(t, dir, "a")
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(Secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(dir, "a.key"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(key)
	number := block.Bytes[36:68] // of RFC 5915, in RFC 5208
	hash := hashOf([]byte("h\x00u\x00s\x00h\x00-\x00h\x00u\x00s\x00h\x00 \x00b\x00e\x00t\x00w\x00e\x00e\x00n\x00 \x00t\x00h\x00e\x00 \x00s\x00i\x00t\x00e\x00s\x00"))
	certificate, err := os.ReadFile(filepath.Join(dir, "a.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		told bool
	}{
		"nothing":           {"site down", false},
		"the certificate":   {string(certificate), false},
		"the password":      {"reason=" + Secret, true},
		"its hash":          {hex.EncodeToString(hash), true},
		"its hash as Go":    {fmt.Sprintf("%#v", hash), true},
		"the hash's hash":   {fmt.Sprint(hashOf(hash)), true},
		"the key's file":    {string(key), true},
		"the key":           {string(number), true},
		"the key in hex":    {strings.ToUpper(hex.EncodeToString(number)), true},
		"the key in base64": {base64.StdEncoding.EncodeToString(number), true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := new(hiding).told(dir, c.text); (got != "") != c.told {
				t.Errorf("found %q, want %t", got, c.told)
			}
		})
	}
}

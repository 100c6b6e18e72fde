package lab

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"golang.org/x/crypto/md4" //lint:ignore SA1019 the hash that MS-CHAPv2 makes of a secret
)

// secretsIn reads what nobody may be shown of a folder: the passwords in the files
// whose names begin with "secret", what MS-CHAPv2 makes of them (RFC 2759, sections
// 8.3 and 8.4), and the private keys in those that end with ".key".
func secretsIn(dir string) (passwords, keys [][]byte) {
	for _, file := range filesIn(dir, "secret*") {
		var wide []byte
		for _, u := range utf16.Encode([]rune(strings.TrimSpace(string(file)))) {
			wide = append(wide, byte(u), byte(u>>8))
		}
		once := hashOf(wide)
		passwords = append(passwords, bytes.TrimSpace(file), wide, once, hashOf(once))
	}
	for _, file := range filesIn(dir, "*.key") {
		block, _ := pem.Decode(file)
		if block == nil {
			continue // a test may write anything
		}
		for _, line := range bytes.Split(file, []byte("\n")) {
			if len(line) >= 20 && !bytes.HasPrefix(line, []byte("-----")) {
				keys = append(keys, line)
			}
		}
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if number, err := key.(*ecdsa.PrivateKey).Bytes(); err == nil {
				keys = append(keys, number)
			}
		}
	}
	return passwords, keys
}

func filesIn(dir, pattern string) (all [][]byte) {
	names, _ := filepath.Glob(filepath.Join(dir, pattern)) // the pattern is a good one
	for _, name := range names {
		if b, err := os.ReadFile(name); err == nil {
			all = append(all, b)
		}
	}
	return all
}

func hashOf(b []byte) []byte {
	h := md4.New()
	h.Write(b)
	return h.Sum(nil)
}

// forms are the ways in which programs print octets, in small letters.
func forms(secret []byte) []string {
	all := []string{
		string(secret),
		hex.EncodeToString(secret),
		fmt.Sprintf("% x", secret),
		strings.TrimRight(base64.StdEncoding.EncodeToString(secret), "="),
		strings.Trim(fmt.Sprint(secret), "[]"),
		strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", secret), "[]byte{"), "}"),
		new(big.Int).SetBytes(secret).String(),
	}
	for i, form := range all {
		all[i] = strings.ToLower(form)
	}
	return all
}

// A hiding is what was secret in a folder when it was first asked.
type hiding struct {
	once  sync.Once
	forms []string
}

// told reports which secret of the folder a text tells, without telling it again.
// Empty: none.
func (h *hiding) told(dir, text string) string {
	h.once.Do(func() {
		passwords, keys := secretsIn(dir)
		for _, secret := range append(passwords, keys...) {
			h.forms = append(h.forms, forms(secret)...)
		}
	})
	text = strings.ToLower(text)
	for i, form := range h.forms {
		if strings.Contains(text, form) {
			return fmt.Sprintf("form %d of the secrets in %s", i, dir)
		}
	}
	return ""
}

// wantNoSecret fails the test when something that a daemon says tells a secret of its
// folder.
func (d *Daemon) wantNoSecret(where, text string) {
	d.T.Helper()
	if what := d.hidden.told(filepath.Dir(d.Socket), text); what != "" {
		d.T.Errorf("%s: %s tells %s", d.NS.Name(), where, what)
	}
}

// wantNoKey looks for the private keys of a folder in a capture. Passwords may be there:
// PAP sends them.
func wantNoKey(t *testing.T, dir, pcap string) {
	t.Helper()
	octets, err := os.ReadFile(pcap)
	if err != nil {
		t.Error(err)
	}
	_, keys := secretsIn(dir)
	for i, key := range keys {
		if bytes.Contains(octets, key) {
			t.Errorf("%s holds key %d", pcap, i)
		}
	}
}

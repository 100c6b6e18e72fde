package radius

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"sitebridge/bridge/identity"
	"sitebridge/internal/netlab"
)

// A supplicant is a run of eapol_test: a peer and its NAS in one program.
type supplicant struct {
	t   *testing.T
	cmd *netlab.Cmd
	out bytes.Buffer
}

// eapTLS is the configuration of one that proves itself as west by EAP-TLS. TLS
// 1.3 is off in eapol_test unless it is asked for, and then all below must be off:
// OpenSSL goes no higher than the first gap in what is on.
func (w *world) eapTLS(own *identity.Own, cas []byte, version string, fragment string) string {
	w.t.Helper()
	cert, key := w.save("supplicant", own)
	only := map[string]string{
		"1.2": "tls_disable_tlsv1_3=1",
		"1.3": "tls_disable_tlsv1_0=1 tls_disable_tlsv1_1=1 tls_disable_tlsv1_2=1 tls_disable_tlsv1_3=0",
	}[version]
	return fmt.Sprintf("eap=TLS\nca_cert=%q\nclient_cert=%q\nprivate_key=%q\nphase1=%q\nfragment_size=%s\n",
		w.write("supplicant-ca.pem", cas), cert, key, only, fragment)
}

// eapMSCHAPv2 is that of one that does so by EAP-MSCHAPv2.
func eapMSCHAPv2(password string) string { return fmt.Sprintf("eap=MSCHAPV2\npassword=%q\n", password) }

// supplicant starts one. It shows its keys, and compares them with those that
// RADIUS gave to its NAS: see keysOK.
func (w *world) supplicant(conf string, args ...string) *supplicant {
	w.t.Helper()
	path := w.write("eapol_test.conf", []byte("network={\nkey_mgmt=IEEE8021X\nidentity=\"west\"\n"+conf+"}\n"))
	args = append([]string{"-c", path, "-a", "127.0.0.1", "-p", port, "-s", secret, "-t", "20"}, args...)
	s := &supplicant{t: w.t, cmd: w.Command("eapol_test", args...)}
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	if err := s.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// Its last words.
const (
	keysOK     = "MPPE keys OK: 1  mismatch: 0\nSUCCESS\n"
	keysDiffer = "MPPE keys OK: 0  mismatch: 1\nFAILURE\n" // or there are none
)

// ends waits for the end and checks the last words. It returns all it has printed.
func (s *supplicant) ends(with string) string {
	s.t.Helper()
	s.cmd.Wait() // its status is in the words too
	text := s.out.String()
	if !strings.HasSuffix(text, with) {
		s.t.Errorf("eapol_test did not end with %q but ...%s", with, tail(text))
	}
	return text
}

// dump is the last octets that text has under a name.
func dump(t *testing.T, text, name string) []byte {
	t.Helper()
	all := regexp.MustCompile(regexp.QuoteMeta(name)+` - hexdump\(len=\d+\): ([ 0-9a-f]+)`).FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		t.Fatalf("eapol_test does not show its %q", name)
	}
	return must[[]byte](t)(hex.DecodeString(strings.ReplaceAll(all[len(all)-1][1], " ", "")))
}

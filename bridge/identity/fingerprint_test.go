package identity

import (
	"encoding/json"
	"strings"
	"testing"
)

const digits = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func colons(s string) string {
	var octets []string
	for i := 0; i < len(s); i += 2 {
		octets = append(octets, s[i:i+2])
	}
	return strings.Join(octets, ":")
}

func TestParseFingerprint(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"as printed":           {"sha256:" + digits, ""},
		"upper case":           {"SHA256:" + strings.ToUpper(digits), ""},
		"colons":               {"sha256:" + colons(digits), ""},
		"colons, upper case":   {"sha256:" + strings.ToUpper(colons(digits)), ""},
		"empty":                {"", `does not begin with "sha256:"`},
		"no prefix":            {digits, `does not begin with "sha256:"`},
		"other hash":           {"sha1:" + digits[:40], `does not begin with "sha256:"`},
		"too short":            {"sha256:" + digits[:62], "length of a SHA-256"},
		"too long":             {"sha256:" + digits + "00", "length of a SHA-256"},
		"a SHA-1":              {"sha256:" + digits[:40], "length of a SHA-256"},
		"no hexadecimal":       {"sha256:x" + digits[1:], "hexadecimal"},
		"colon at the end":     {"sha256:" + digits + ":", "length of a SHA-256"},
		"colons inside octets": {"sha256:0" + strings.Repeat(":01", 31) + ":", "colons"},
		"octets of odd length": {"sha256:" + strings.Replace(colons(digits), "01:23", "012:3", 1), "colons"},
		"too few colons":       {"sha256:" + strings.Replace(colons(digits), ":", "0", 1), "colons"},
		"spaces":               {"sha256: " + digits, "length of a SHA-256"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := ParseFingerprint(c.in)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want == "" && f.String() != "sha256:"+digits:
				t.Errorf("read as %v", f)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestFingerprintInJSON(t *testing.T) {
	self := must[*Own](t)(SelfSigned("branch", noon, 90*day))
	b := must[[]byte](t)(json.Marshal(Describe(self.Leaf(), "own", noon)))
	want := `{"name":"branch","use":"own","fingerprint":"` + Of(self.Leaf()).String() + `","not_after":"2026-08-30T12:00:00Z","days_left":90}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
}

func FuzzParseFingerprint(f *testing.F) {
	f.Add("sha256:" + digits)
	f.Add("SHA256:" + strings.ToUpper(colons(digits)))
	f.Add("sha256:" + digits[:62])
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseFingerprint(s)
		if err != nil {
			return
		}
		if plain := strings.ToLower(s); strings.ReplaceAll(plain[7:], ":", "") != got.String()[7:] {
			t.Errorf("%q was read as %v", s, got)
		}
		if again, err := ParseFingerprint(got.String()); err != nil || again != got {
			t.Errorf("%v came back as %v, %v", got, again, err)
		}
	})
}

// TestFingerprintReadBack: a status that was read back says what was written.
func TestFingerprintReadBack(t *testing.T) {
	want := Fingerprint{1, 2, 3, 31: 0xff}
	b, err := json.Marshal(Info{Fingerprint: want})
	if err != nil {
		t.Fatal(err)
	}
	var got Info
	if err := json.Unmarshal(b, &got); err != nil || got.Fingerprint != want {
		t.Errorf("%s came back as %v, %v", b, got.Fingerprint, err)
	}
}

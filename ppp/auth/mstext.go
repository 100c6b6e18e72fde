package auth

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// successText is the text of a Success (RFC 2759, section 5).
func successText(proof []byte) string {
	return fmt.Sprintf("S=%X M=Access granted", proof)
}

// proves reports whether the text of a Success starts with the proof that we
// expect, in digits of either case.
func proves(text, proof []byte) bool {
	digits, ok := bytes.CutPrefix(text, []byte("S="))
	n := hex.EncodedLen(len(proof))
	if !ok || len(digits) < n {
		return false
	}
	got, err := hex.DecodeString(string(digits[:n]))
	return err == nil && equal(got, proof)
}

// Error codes of a Failure (RFC 2759, section 6).
const errAuthentication = 691

var errorWords = map[int]string{
	646: "not at this time of day",
	647: "the account is disabled",
	648: "the password has expired; it must be changed by other means",
	649: "the account has no dial-in permission",
	691: "unknown name or wrong password",
	709: "the password could not be changed",
}

// failureText is the text of our Failure. It is the same for an unknown name and
// for a wrong password, and allows no further try on this link. The challenge
// that it must hold is never used.
func (msCHAPv2) failureText(rand io.Reader) (string, error) {
	challenge, err := random(rand, challengeSize)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("E=%d R=0 C=%X V=3 M=Authentication failure", errAuthentication, challenge), nil
}

// refusal reads the text of a Failure. That the peer would allow another try (R=1)
// is no use to a daemon: the same password again may lock the account.
func (msCHAPv2) refusal(text []byte) string {
	f := parseMSFailure(string(text))
	words := errorWords[f.code]
	if words == "" {
		words = "an error it does not explain"
	}
	words = fmt.Sprintf("%s (error %d)", words, f.code)
	if f.message != "" {
		words += ", " + saying([]byte(f.message))
	}
	return words
}

// A msFailure is what we understand of "E=691 R=0 C=... V=3 M=text".
type msFailure struct {
	code    int
	message string
}

// parseMSFailure is lenient: fields may be missing or in another order, and the
// message runs to the end. Without E= the error is 691.
func parseMSFailure(text string) msFailure {
	f := msFailure{code: errAuthentication}
	for text != "" {
		if m, ok := strings.CutPrefix(text, "M="); ok {
			f.message = m
			break
		}
		var field string
		field, text, _ = strings.Cut(text, " ")
		if digits, ok := strings.CutPrefix(field, "E="); ok {
			if n, err := strconv.ParseUint(digits, 10, 16); err == nil {
				f.code = int(n)
			}
		}
	}
	return f
}

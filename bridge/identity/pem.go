package identity

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// What stands in PEM here (RFC 7468).
const (
	typeCertificate = "CERTIFICATE"
	typeList        = "X509 CRL"
	typeKey         = "PRIVATE KEY" // PKCS#8; older kinds have a word before it
)

// blocks returns what the PEM blocks of text hold. Text around them is skipped.
// All must be of type want, and none damaged: who lists CAs must not lose one of
// them unseen.
func blocks(text []byte, want string) ([][]byte, error) {
	var all [][]byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == want:
			all = append(all, block.Bytes)
		case strings.HasSuffix(block.Type, typeKey):
			return nil, errors.New("a private key stands there: put it into a file of its own, of mode 0600")
		default:
			return nil, fmt.Errorf("a PEM block %q stands there, and only %q may: leave it out", block.Type, want)
		}
	}
	switch begun := bytes.Count(text, []byte("-----BEGIN ")); {
	case begun == 0:
		return nil, fmt.Errorf(`it is not in PEM, which begins with "-----BEGIN %s-----"`, want)
	case begun != len(all):
		return nil, fmt.Errorf("one of the %d PEM blocks is damaged: copy the file anew", begun)
	}
	return all, nil
}

// ParseCertificates reads certificates in PEM. Text around them is skipped;
// anything else in PEM is a mistake, and so is one that is damaged.
func ParseCertificates(text []byte) ([]*x509.Certificate, error) {
	all, err := blocks(text, typeCertificate)
	if err != nil {
		return nil, err
	}
	certs := make([]*x509.Certificate, len(all))
	for i, der := range all {
		if certs[i], err = x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("certificate %d: %s", i+1, printable(err.Error()))
		}
	}
	return certs, nil
}

// parseKey reads a private key: PKCS#8, or the older kinds of OpenSSL. Its errors
// repeat nothing of what it read.
func parseKey(text []byte) (crypto.Signer, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if !strings.HasSuffix(block.Type, typeKey) {
			continue // EC PARAMETERS, or the certificate
		}
		if strings.HasPrefix(block.Type, "ENCRYPTED ") || block.Headers["DEK-Info"] != "" {
			return nil, errors.New("the key is locked with a password, and nobody could type it when the daemon starts: write it without one (openssl pkey), mode 0600")
		}
		return parseKeyDER(block.Type, block.Bytes)
	}
	return nil, errors.New(`no key in PEM, which begins with "-----BEGIN PRIVATE KEY-----"`)
}

func parseKeyDER(kind string, der []byte) (crypto.Signer, error) {
	var key any
	var err error
	switch kind {
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(der)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(der)
	default:
		key, err = x509.ParsePKCS8PrivateKey(der)
	}
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, errors.New("the key is damaged, or of a kind that is unknown here: take ECDSA P-256")
	}
	return signer, nil
}

const minRSABits = 2048

// weak says what is wrong with a public key; "" if nothing is.
func weak(public any) string {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits {
			return fmt.Sprintf("its RSA key has %d bits, and needs %d", bits, minRSABits)
		}
		return ""
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P224() {
			return "its key is on the curve P-224, which TLS does not have"
		}
		return ""
	case ed25519.PublicKey:
		return ""
	}
	return "its key is of a kind that is unknown here"
}

func encode(kind string, ders ...[]byte) []byte {
	var text []byte
	for _, der := range ders {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	return text
}

package aead

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"runtime"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/sys/cpu"
)

// A Cipher is the octet that names one.
type Cipher byte

// The ciphers. Every implementation has both.
const (
	AES256GCM        Cipher = 1 // NIST SP 800-38D, with a key of 256 bits
	ChaCha20Poly1305 Cipher = 2 // RFC 8439
)

// Valid reports whether the octet names a cipher.
func (c Cipher) Valid() bool { return c == AES256GCM || c == ChaCha20Poly1305 }

// String returns the cipher's name.
func (c Cipher) String() string {
	switch c {
	case AES256GCM:
		return "AES-256-GCM"
	case ChaCha20Poly1305:
		return "ChaCha20-Poly1305"
	}
	return fmt.Sprintf("cipher %d", byte(c))
}

// Preferred returns the cipher that this processor is good at. AES without its
// instructions is slow, and tells about its key by the time that it takes.
func Preferred() Cipher {
	if hasAES {
		return AES256GCM
	}
	return ChaCha20Poly1305
}

var hasAES = cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ && cpu.X86.HasSSE41 && cpu.X86.HasSSSE3 ||
	cpu.ARM64.HasAES && cpu.ARM64.HasPMULL ||
	cpu.S390X.HasAES && cpu.S390X.HasAESCTR && cpu.S390X.HasGHASH ||
	runtime.GOARCH == "ppc64" || runtime.GOARCH == "ppc64le"

// keyed returns the cipher with a key. The standard library keeps copies of the
// key that cannot be wiped; they go with the garbage.
func (c Cipher) keyed(key []byte) cipher.AEAD {
	made, err := c.make(key)
	if err != nil {
		panic(fmt.Errorf("aead: %v: %w", c, err)) // the length of the key is right, and only good options come here
	}
	return made
}

func (c Cipher) make(key []byte) (cipher.AEAD, error) {
	if c == ChaCha20Poly1305 {
		return chacha20poly1305.New(key)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

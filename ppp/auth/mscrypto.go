package auth

import (
	"crypto/des"
	"crypto/sha1"
	"encoding/binary"
	"unicode/utf16"

	//lint:ignore SA1019 RFC 2759, section 8.3, is made of it
	"golang.org/x/crypto/md4"

	"sitebridge/internal/secret"
)

// The functions of RFC 2759, section 8, by its names.

// challengeHash is section 8.2. The user is without its domain.
func challengeHash(peer, authenticator []byte, user string) (c [8]byte) {
	h := sha1.New()
	h.Write(peer)
	h.Write(authenticator)
	h.Write([]byte(user))
	copy(c[:], h.Sum(nil))
	return c
}

// ntPasswordHash is section 8.3: MD4 of the password in UTF-16, little-endian.
func ntPasswordHash(password secret.Secret) (hash [16]byte) {
	var b []byte
	for _, unit := range utf16.Encode([]rune(password.Reveal())) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return md4Sum(b)
}

// hashHash is section 8.4.
func hashHash(hash [16]byte) [16]byte { return md4Sum(hash[:]) }

func md4Sum(b []byte) (sum [16]byte) {
	h := md4.New()
	h.Write(b)
	copy(sum[:], h.Sum(nil))
	return sum
}

// challengeResponse is section 8.5: the challenge encrypted under three DES keys,
// cut from the hash and five zero octets.
func challengeResponse(challenge [8]byte, hash [16]byte) (response [24]byte) {
	var keys [21]byte
	copy(keys[:], hash[:])
	for i := range 3 {
		key := spread([7]byte(keys[7*i:]))
		block, err := des.NewCipher(key[:])
		if err != nil {
			panic("auth: " + err.Error()) // only for a key that is not of 8 octets
		}
		block.Encrypt(response[8*i:], challenge[:])
	}
	return response
}

// spread makes a DES key of 56 bits, seven to an octet, in its high positions
// (section 8.6). The low bits are parity, which DES ignores.
func spread(raw [7]byte) (key [8]byte) {
	var b [8]byte
	copy(b[1:], raw[:])
	bits := binary.BigEndian.Uint64(b[:])
	for i := range key {
		key[i] = byte(bits>>(49-7*i)) << 1
	}
	return key
}

var (
	magic1 = []byte("Magic server to client signing constant")
	magic2 = []byte("Pad to make it do more than one iteration")
)

// authenticatorResponse is section 8.7, before it is written in hexadecimal.
func authenticatorResponse(passwordHashHash [16]byte, ntResponse [24]byte, challenge [8]byte) [20]byte {
	h := sha1.New()
	h.Write(passwordHashHash[:])
	h.Write(ntResponse[:])
	h.Write(magic1)
	digest := h.Sum(nil)
	h.Reset()
	h.Write(digest)
	h.Write(challenge[:])
	h.Write(magic2)
	return [20]byte(h.Sum(nil))
}

package mppe

import "crypto/sha1"

// The pads of RFC 3079, section 3.4 (SHSpad1 and SHSpad2).
var (
	pad1 = [40]byte{}
	pad2 = [40]byte{
		0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2,
		0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2, 0xf2,
	}
)

// A chain is the session keys of one direction: each is made from the start key
// and the one before it (RFC 3078, section 7.3).
type chain struct {
	// hashed is what SHA-1 is taken of: start key, pad1, session key, pad2. It
	// stays put, so that a change writes nothing but the session key.
	hashed  [112]byte
	session key
	scratch stream
}

// init makes the initial session key, S0.
func (c *chain) init(start key) {
	copy(c.hashed[:], start[:])
	copy(c.hashed[16:], pad1[:])
	copy(c.hashed[72:], pad2[:])
	c.session = start
	c.session = c.hash()
}

// hash is GetNewKeyFromSHA of RFC 3079, section 3.4.
func (c *chain) hash() key {
	copy(c.hashed[56:], c.session[:])
	digest := sha1.Sum(c.hashed[:])
	return key(digest[:])
}

// change goes on to the next session key: the hash, encrypted under itself.
func (c *chain) change() {
	c.session = c.hash()
	c.scratch.setKey(&c.session)
	c.scratch.xor(c.session[:])
}

// after returns the session key that comes after k, and leaves the chain where
// it is.
func (c *chain) after(k key) key {
	here := c.session
	c.session = k
	c.change()
	k, c.session = c.session, here
	return k
}

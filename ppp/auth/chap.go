package auth

import (
	"bytes"
	"io"

	"sitebridge/internal/secret"
)

// Codes of CHAP packets (RFC 1994, section 4; RFC 2759, section 7).
const (
	chapChallenge      = 1
	chapResponse       = 2
	chapSuccess        = 3
	chapFailure        = 4
	chapChangePassword = 7 // answers a code of Failure that we never send: dropped
)

// A chapValue is the body of a Challenge and of a Response: a sized value and
// the name of who sends it (RFC 1994, section 4.1).
type chapValue struct {
	value []byte
	name  []byte
}

// parseCHAPValue splits data; both parts alias it. The size of the value is
// checked against what is there before anything else is done with it, and so is
// the name's (CVE-2020-8597).
func parseCHAPValue(data []byte) (v chapValue, ok bool) {
	if len(data) < 1 {
		return chapValue{}, false
	}
	size := int(data[0])
	if size > len(data)-1 {
		return chapValue{}, false
	}
	v = chapValue{value: data[1 : 1+size], name: data[1+size:]}
	return v, len(v.name) <= maxName
}

func (v chapValue) clone() chapValue { return chapValue{bytes.Clone(v.value), bytes.Clone(v.name)} }

func (v chapValue) encode() []byte {
	b := make([]byte, 0, 1+len(v.value)+len(v.name))
	b = append(b, byte(len(v.value)))
	b = append(b, v.value...)
	return append(b, v.name...)
}

// An algorithm is what the CHAP algorithms do differently. They hold no state.
type algorithm interface {
	protocol() string // its name in a sentence
	method() Method

	// For the peer. challengeFits reports whether a Challenge of that many
	// octets can be answered.
	challengeFits(size int) bool
	answer(q question, rand io.Reader) (answer, error)
	// refusal puts the text of a Failure in words.
	refusal(text []byte) string

	// For the authenticator. judge tells whether value answers q, which it must
	// do in the same time for every value and secret. A value of the wrong size
	// was refused before.
	responseSize() int
	judge(q question, value []byte) verdict
	failureText(rand io.Reader) (string, error)
}

// A question is all that a response depends on.
type question struct {
	id        byte
	challenge []byte
	name      string // of who answers
	secret    secret.Secret
}

// An answer is what a peer replies, and what it may expect in turn.
type answer struct {
	value []byte
	proof []byte // what the text of Success must prove; nil: nothing
	keys  Keys
}

// A verdict is what an authenticator thinks of a response.
type verdict struct {
	right bool
	text  string // for the Success, when right
	keys  Keys
}

// challengeSize is what we send. RFC 2759 asks for 16, and MD5 has as many.
const challengeSize = 16

// random returns n octets.
func random(r io.Reader, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

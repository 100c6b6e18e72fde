package auth

import (
	"crypto/md5"
	"io"
)

// md5CHAP is CHAP with MD5, algorithm 5 (RFC 1994, section 4.1). No keys come
// out of it.
type md5CHAP struct{}

func (md5CHAP) protocol() string            { return "CHAP" }
func (md5CHAP) method() Method              { return CHAP }
func (md5CHAP) challengeFits(size int) bool { return size >= 1 }
func (md5CHAP) responseSize() int           { return md5.Size }

func (md5CHAP) answer(q question, _ io.Reader) (answer, error) {
	return answer{value: md5Response(q)}, nil
}

func (md5CHAP) judge(q question, value []byte) verdict {
	return verdict{right: equal(md5Response(q), value), text: "Access granted"}
}

func (md5CHAP) failureText(io.Reader) (string, error) { return "Authentication failure", nil }

func (md5CHAP) refusal(text []byte) string { return saying(text) }

// md5Response is MD5(identifier, secret, challenge).
func md5Response(q question) []byte {
	h := md5.New()
	h.Write([]byte{q.id})
	io.WriteString(h, q.secret.Reveal())
	h.Write(q.challenge)
	return h.Sum(nil)
}

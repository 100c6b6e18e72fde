package auth

import "io"

// msCHAPv2 is CHAP algorithm 0x81 (RFC 2759). It proves both ends to each other,
// but one DES search over a recorded exchange finds the hash of the password.
type msCHAPv2 struct{}

// A msResponse is the value field of a Response (RFC 2759, section 4). The
// flags octet is sent as zero and ignored on receipt.
type msResponse struct {
	peerChallenge [16]byte
	ntResponse    [24]byte
}

const (
	msResponseSize = 49
	offNTResponse  = 24 // after the peer challenge and 8 reserved octets
)

// parseMSResponse reads a value of msResponseSize octets.
func parseMSResponse(b []byte) (r msResponse) {
	copy(r.peerChallenge[:], b)
	copy(r.ntResponse[:], b[offNTResponse:])
	return r
}

func (r msResponse) encode() []byte {
	b := make([]byte, msResponseSize)
	copy(b, r.peerChallenge[:])
	copy(b[offNTResponse:], r.ntResponse[:])
	return b
}

func (msCHAPv2) protocol() string { return "MS-CHAPv2" }
func (msCHAPv2) method() Method   { return MSCHAPv2 }

// challengeFits takes 16 octets only. A shorter challenge once made a peer send
// what lay behind it in memory (pppd, GHSA-j686-vmph-4m7c).
func (msCHAPv2) challengeFits(size int) bool { return size == challengeSize }

func (msCHAPv2) responseSize() int { return msResponseSize }

func (msCHAPv2) answer(q question, rand io.Reader) (answer, error) {
	var r msResponse
	if _, err := io.ReadFull(rand, r.peerChallenge[:]); err != nil {
		return answer{}, err
	}
	w := work(q, r.peerChallenge)
	r.ntResponse = w.ntResponse
	return answer{value: r.encode(), proof: w.proof(), keys: w.keys(false)}, nil
}

func (msCHAPv2) judge(q question, value []byte) verdict {
	r := parseMSResponse(value)
	w := work(q, r.peerChallenge)
	return verdict{
		right: equal(w.ntResponse[:], r.ntResponse[:]),
		text:  successText(w.proof()),
		keys:  w.keys(true),
	}
}

// A workings is what both ends compute from a question and the peer challenge.
type workings struct {
	challenge    [8]byte
	passwordHash [16]byte
	ntResponse   [24]byte
}

func work(q question, peerChallenge [16]byte) (w workings) {
	w.challenge = challengeHash(peerChallenge[:], q.challenge, withoutDomain(q.name))
	w.passwordHash = ntPasswordHash(q.secret)
	w.ntResponse = challengeResponse(w.challenge, w.passwordHash)
	return w
}

func (w workings) proof() []byte {
	p := authenticatorResponse(hashHash(w.passwordHash), w.ntResponse, w.challenge)
	return p[:]
}

func (w workings) keys(authenticator bool) *MasterKeys {
	return &MasterKeys{hashHash(w.passwordHash), w.ntResponse, authenticator}
}

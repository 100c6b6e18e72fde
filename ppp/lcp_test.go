package ppp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"sitebridge/ppp/auth"
	"sitebridge/ppp/fsm"
)

// numbers is a source of magic numbers: 1a2b3c4d, then 1a2b3c4e and so on.
type numbers uint32

func (n *numbers) Read(p []byte) (int, error) {
	for i := 0; i+4 <= len(p); i += 4 {
		v := uint32(*n) + 0x1a2b3c4d
		p[i], p[i+1], p[i+2], p[i+3] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
		*n++
	}
	return len(p), nil
}

func testLCP(c Config) *lcp {
	c.Rand = new(numbers)
	if c.MRU == 0 {
		c.MRU = defaultMRU
	}
	return newLCP(c)
}

func parse(t testing.TB, s string) []fsm.Option {
	t.Helper()
	opts, err := fsm.ParseOptions(unhex(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return opts
}

func TestLCPRequest(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
		want string
	}{
		// The vector "MRU 1400, MS-CHAPv2, magic, PFC, ACFC".
		{"everything", Config{MRU: 1400, Ask: []auth.Method{auth.MSCHAPv2}}, "01040578 0305c22381 05061a2b3c4d 0702 0802"},
		{"the default MRU is not said", Config{MRU: 1500}, "05061a2b3c4d 0702 0802"},
		{"strongest first", Config{Ask: []auth.Method{auth.CHAP, auth.PAP}}, "0305c22305 05061a2b3c4d 0702 0802"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := fsm.AppendOptions(nil, testLCP(c.cfg).Request())
			if want := unhex(t, c.want); !bytes.Equal(got, want) {
				t.Errorf("got % x, want % x", got, want)
			}
		})
	}
}

func TestLCPJudge(t *testing.T) {
	both := []auth.Method{auth.MSCHAPv2, auth.CHAP}
	for _, c := range []struct {
		name    string
		prove   []auth.Method
		request string
		code    fsm.Code
		answer  string
	}{
		{name: "nothing", code: fsm.ConfigureAck},
		{name: "all that we know", prove: both, request: "01040578 020600000000 0305c22381 0506aabbccdd 0702 0802", code: fsm.ConfigureAck},
		{name: "vector: EAP, MRRU, short sequence, endpoint", prove: both, request: "01040578 0304c227 05061a2b3c4e 110405dc 1202 130901736974652d61",
			code: fsm.ConfigureReject, answer: "110405dc 1202 130901736974652d61"},
		{name: "EAP", prove: both, request: "0304c227", code: fsm.ConfigureNak, answer: "0305c22381"},
		{name: "MS-CHAPv1", prove: both, request: "0305c22380", code: fsm.ConfigureNak, answer: "0305c22381"},
		{name: "the weaker of ours", prove: both, request: "0305c22305", code: fsm.ConfigureAck},
		{name: "PAP where it is not allowed", prove: both, request: "0304c023", code: fsm.ConfigureNak, answer: "0305c22381"},
		{name: "we prove nothing", request: "0304c023", code: fsm.ConfigureReject, answer: "0304c023"},
		{name: "unknown authentication of any length", prove: both, request: "0308c12700112233", code: fsm.ConfigureNak, answer: "0305c22381"},
		{name: "quality", request: "0408c02500000064", code: fsm.ConfigureReject, answer: "0408c02500000064"},
		{name: "callback", request: "0d0306", code: fsm.ConfigureReject, answer: "0d0306"},
		{name: "MRU too small", request: "01040080", code: fsm.ConfigureNak, answer: "010405dc"},
		{name: "MRU just enough", request: "01040240", code: fsm.ConfigureAck},
		{name: "MRU above the default", request: "0104ffff", code: fsm.ConfigureAck},
		{name: "magic 0", request: "050600000000", code: fsm.ConfigureNak, answer: "05061a2b3c4e"},
		{name: "our own magic", request: "05061a2b3c4d 110405dc", code: fsm.ConfigureNak, answer: "05061a2b3c4e"},
		{name: "Reject goes before Nak", prove: both, request: "0304c227 1202", code: fsm.ConfigureReject, answer: "1202"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := testLCP(Config{Prove: c.prove}).Judge(parse(t, c.request), false)
			got := fsm.AppendOptions(nil, v.Options)
			if want := unhex(t, c.answer); v.Code != c.code || !bytes.Equal(got, want) {
				t.Errorf("got %v % x, want %v % x", v.Code, got, c.code, want)
			}
		})
	}
}

func TestLCPTakesRefusals(t *testing.T) {
	ask := Config{MRU: 1400, Ask: []auth.Method{auth.MSCHAPv2, auth.CHAP}}
	for _, c := range []struct {
		name    string
		reject  bool
		options string
		want    string // the next request
		end     string // or the reason
	}{
		{name: "all but authentication rejected", reject: true, options: "01040578 05061a2b3c4d 0702 0802", want: "0305c22381"},
		{name: "authentication rejected", reject: true, options: "0305c22381", end: "peer refuses to prove itself: it rejects authentication, mschapv2 or chap is required"},
		{name: "Nak to a method of ours", options: "0305c22305", want: "01040578 0305c22305 05061a2b3c4d 0702 0802"},
		{name: "Nak to a method that is not", options: "0304c023", want: "01040578 0305c22305 05061a2b3c4d 0702 0802"},
		{name: "Nak to nonsense", options: "0302", want: "01040578 0305c22305 05061a2b3c4d 0702 0802"},
		{name: "smaller MRU", options: "01040514", want: "01040514 0305c22381 05061a2b3c4d 0702 0802"},
		{name: "larger MRU", options: "010405dc", want: "01040578 0305c22381 05061a2b3c4d 0702 0802"},
		{name: "useless MRU", options: "01040001", want: "01040578 0305c22381 05061a2b3c4d 0702 0802"},
		{name: "half an MRU", options: "010301", want: "01040578 0305c22381 05061a2b3c4d 0702 0802"},
		{name: "another magic", options: "050600000007", want: "01040578 0305c22381 05061a2b3c4e 0702 0802"},
		{name: "booleans", options: "0702 0802", want: "01040578 0305c22381 05061a2b3c4d"},
		{name: "things we never sent", options: "0408c02500000064 110405dc", want: "01040578 0305c22381 05061a2b3c4d 0702 0802"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := testLCP(ask)
			take := n.Naked
			if c.reject {
				take = n.Rejected
			}
			if err := take(parse(t, c.options)); c.end != "" {
				if err == nil || err.Error() != c.end {
					t.Fatalf("error %v, want %q", err, c.end)
				}
				return
			} else if err != nil {
				t.Fatal(err)
			}
			got := fsm.AppendOptions(nil, n.Request())
			if want := unhex(t, c.want); !bytes.Equal(got, want) {
				t.Errorf("got % x, want % x", got, want)
			}
			n.Reset()
			if got := n.Request(); !got[1].Equal(authOption(auth.MSCHAPv2)) || len(got) != 5 {
				t.Errorf("after Reset % x", got)
			}
		})
	}
}

// The methods run out, each refused once, in whatever order the peer likes.
func TestLCPMethodsRunOut(t *testing.T) {
	n := testLCP(Config{Ask: []auth.Method{auth.MSCHAPv2, auth.CHAP, auth.PAP}})
	for _, c := range []struct{ nak, next string }{
		{"0304c023", "0304c023"},     // PAP, which is allowed
		{"0305c22381", "0305c22305"}, // back to what it has refused: CHAP is left
	} {
		if err := n.Naked(parse(t, c.nak)); err != nil {
			t.Fatal(err)
		}
		if got := n.Request()[0]; !got.Equal(parse(t, c.next)[0]) {
			t.Errorf("Nak to %s: asks for % x, want %s", c.nak, got.Data, c.next)
		}
	}
	err := n.Naked(parse(t, "0304c227"))
	var e *End
	if !errors.As(err, &e) || e.Kind != PeerNotProved || !strings.HasSuffix(e.Reason, "it wants eap") {
		t.Errorf("got %v", err)
	}
}

// The Verdict is Ack, or names options of the request: rejects octet for octet
// and in order, Naks with what is acceptable.
func FuzzLCPJudge(f *testing.F) {
	for _, s := range []string{"010405780305c2238105061a2b3c4d07020802", "010405780304c22705061a2b3c4d110405dc1202130901736974652d61", "05061a2b3c4d", "0302", "01030507"} {
		b, _ := hex.DecodeString(s)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		peer, err := fsm.ParseOptions(b)
		if err != nil {
			return
		}
		prove := []auth.Method{auth.MSCHAPv2, auth.CHAP}
		n := testLCP(Config{Prove: prove})
		switch v := n.Judge(peer, false); v.Code {
		case fsm.ConfigureAck:
			if n.theirs.MRU < minMRU || n.theirs.Auth != 0 && !slices.Contains(prove, n.theirs.Auth) {
				t.Errorf("took %+v from % x", n.theirs, b)
			}
		case fsm.ConfigureReject:
			rest := peer
			for _, o := range v.Options {
				i := slices.IndexFunc(rest, o.Equal)
				if i < 0 {
					t.Fatalf("rejects % x, which is not in % x", o, b)
				}
				rest = rest[i+1:]
			}
		case fsm.ConfigureNak:
			if again := n.Judge(v.Options, false); again.Code != fsm.ConfigureAck {
				t.Errorf("its own suggestion gets %v", again.Code)
			}
		default:
			t.Errorf("verdict %v", v.Code)
		}
	})
}

package radius

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"sitebridge/internal/radius"
	secrets "sitebridge/internal/secret"
	"sitebridge/ppp/auth"
	"sitebridge/ppp/mppe"
)

// asking is an authenticator of ours that has FreeRADIUS judge.
func asking(m auth.Method) auth.Exchange {
	return auth.NewAuthenticator(m, auth.AuthenticatorConfig{Name: "hq", Remote: func(string, auth.Method) bool { return true }})
}

// rules has the client ask FreeRADIUS, as a hub does.
func rules(t *testing.T, c *radius.Client, q *auth.Question) (auth.Ruling, radius.Answer) {
	t.Helper()
	r := radius.Request{Call: radius.Call{Name: q.Name, Session: "1"}}
	switch proof := (&radius.CHAP{ID: q.ID, Challenge: q.Challenge, Response: q.Response}); q.Method {
	case auth.PAP:
		r.Password = &q.Password
	case auth.CHAP:
		r.CHAP = proof
	default:
		r.MSCHAPv2 = proof
	}
	a := must[radius.Answer](t)(c.Ask(t.Context(), r))
	ruling := auth.Ruling{Right: a.Verdict == radius.Accepted, Reason: a.Message + a.MSError, Success: a.MSSuccess}
	if a.SendKey != nil {
		ruling.Keys = auth.NewRemoteKeys(a.ReceiveKey, a.SendKey)
	}
	return ruling, a
}

// FreeRADIUS judges every method by a secret that we have; with MS-CHAPv2 the peer
// believes it, and the keys that it gives for MPPE are those that the peer has, and that
// we would have from the secret (pain 14).
func TestFreeRADIUSJudgesForUs(t *testing.T) {
	w := newWorld(t)
	text := string(must[[]byte](t)(os.ReadFile("testdata/radiusd.conf")))
	text = strings.NewReplacer("DIR", w.dir, "SHARED", secret, "10.1.0.1", "127.0.0.1", "10.1.0.2", "127.0.0.1").Replace(text)
	w.write("radiusd.conf", []byte(text))
	w.write("users", []byte(fmt.Sprintf("west\tCleartext-Password := %q\n", password)))
	startFreeRADIUS(t, w.Namespace, w.dir)
	server := radius.Config{Name: "hq", Servers: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:" + port)}, Secret: secret, Timeout: time.Second, Tries: 3,
		Listen: func(ctx context.Context) (c net.PacketConn, err error) {
			err = w.Do(func() (err error) { c, err = net.ListenPacket("udp", "127.0.0.1:0"); return err })
			return c, err
		}}
	client := radius.New(server)
	for _, m := range []auth.Method{auth.PAP, auth.CHAP, auth.MSCHAPv2, auth.EAPMSCHAPv2} {
		for _, right := range []bool{true, false} {
			t.Run(fmt.Sprint(m, "/", right), func(t *testing.T) {
				judgedBy(t, client, m, right)
			})
		}
	}
	if s := client.Status().Servers[0]; s.Answers != 8 || s.Timeouts+uint64(len(s.Dropped)) > 0 {
		t.Errorf("%+v", s)
	}

	server.Secret, server.Tries = "another one", 1
	_, err := radius.New(server).Ask(t.Context(), radius.Request{Call: radius.Call{Name: "west", Session: "1"}, CHAP: &radius.CHAP{Challenge: make([]byte, 16), Response: make([]byte, 16)}})
	if err == nil || !strings.Contains(err.Error(), "does not answer") { // it drops what is signed with another secret
		t.Error(err)
	}
}

func judgedBy(t *testing.T, client *radius.Client, m auth.Method, right bool) {
	s := secrets.Secret(password)
	if !right {
		s = "left horse"
	}
	a, p := asking(m), auth.NewPeer(m, auth.PeerConfig{Name: "west", Secret: s})
	theirs := p.Start()
	for pkt := a.Start().Send; theirs.Send == nil || pkt != nil; {
		theirs = p.Receive(bytes.Clone(pkt))
		if m.Carrier() != auth.EAP || theirs.Send[4] != 1 {
			break
		}
		pkt = a.Receive(theirs.Send).Send // after the identity
	}
	out := a.Receive(theirs.Send)
	if out.Ask == nil {
		t.Fatalf("%+v", out)
	}
	ruling, answer := rules(t, client, out.Ask)
	out = a.(auth.Asker).Rule(out.Ask, ruling)
	keys := out.Keys
	for out.Send != nil && theirs.Verdict == auth.Pending {
		if theirs = p.Receive(bytes.Clone(out.Send)); theirs.Send == nil || out.Verdict != auth.Pending {
			break
		}
		if out = a.Receive(theirs.Send); out.Keys != nil {
			keys = out.Keys
		}
	}
	if (out.Verdict == auth.Success) != right || (theirs.Verdict == auth.Success) != right {
		t.Fatalf("%v %q, and the peer %v %q; %+v", out.Verdict, out.Reason, theirs.Verdict, theirs.Reason, answer)
	}
	if !right || m < auth.MSCHAPv2 {
		return
	}
	own := theirs.Keys.(*auth.MasterKeys)
	want := mppe.FromMSCHAP(own.PasswordHashHash(), own.NTResponse(), true)
	if got := mppe.FromMSK(keys.(*auth.RemoteKeys).MSK(), true); !reflect.DeepEqual(got, want) {
		t.Error("the keys of FreeRADIUS are not those of the peer")
	}
}

package radius

import (
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2866"
	"layeh.com/radius/rfc2869"

	"sitebridge/internal/radius/radiustest"
	"sitebridge/internal/secret"
)

const ours = "between us two"

var (
	one   = netip.MustParseAddrPort("192.0.2.5:1812")
	two   = netip.MustParseAddrPort("192.0.2.6:1812")
	acct  = netip.MustParseAddrPort("192.0.2.5:1813")
	other = netip.MustParseAddrPort("192.0.2.66:1812")
)

func client(n *radiustest.Network, told *[]string) *Client {
	return New(Config{Name: "hq", Servers: []netip.AddrPort{one, two}, Accounting: []netip.AddrPort{acct}, Secret: ours,
		Timeout: 2 * time.Second, Tries: 3, Listen: n.Listen,
		Changed: func(s netip.AddrPort, trouble string) {
			if told != nil {
				*told = append(*told, fmt.Sprintf("%v %s", s, trouble))
			}
		}})
}

func question() Request {
	password := secret.Secret("right horse")
	return Request{Call: Call{Name: "west", Session: "a-1", Port: 7, Caller: one.Addr(), Called: two.Addr()}, Password: &password}
}

func accept(more ...*radius.AVP) func(*radius.Packet) *radiustest.Reply {
	return func(*radius.Packet) *radiustest.Reply {
		return &radiustest.Reply{Code: radius.CodeAccessAccept, Attributes: more}
	}
}

// Every request carries a Message-Authenticator, first, and it is right.
func TestAttackA14RequestsAreSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(radiustest.Network)
		n.Serve(one, radiustest.Honest(one, ours, accept()))
		c := client(n, nil)
		if a, err := c.Ask(t.Context(), question()); err != nil || a.Verdict != Accepted || a.Server != one {
			t.Fatalf("%+v, %v", a, err)
		}
		b := bytes.Clone(n.Seen()[0])
		mac := bytes.Clone(b[macOffset : macOffset+md5.Size])
		clear(b[macOffset : macOffset+md5.Size])
		if b[headerLen] != byte(rfc2869.MessageAuthenticator_Type) || !bytes.Equal(mac, sign(b, []byte(ours))) {
			t.Errorf("% x", b)
		}
		p, _ := radius.Parse(b, []byte(ours))
		if rfc2865.UserPassword_GetString(p) != "right horse" || bytes.Contains(b, []byte("right horse")) {
			t.Error("the password is not there, or there in clear")
		}
		if n := len(p.Attributes); n != 11 {
			t.Errorf("%d attributes", n)
		}
	})
}

// A14: answers that somebody on the way could have made are dropped, by name.
func TestAttackA14ForgedAnswers(t *testing.T) {
	reply := &radiustest.Reply{Code: radius.CodeAccessAccept, Attributes: radius.Attributes{{Type: rfc2865.ReplyMessage_Type, Attribute: []byte("welcome")}}}
	// resign makes the Response Authenticator right, as the collision of CVE-2024-3596
	// does for who does not have the secret.
	resign := func(b, request []byte, secret string) []byte {
		copy(b[4:20], request[4:20])
		sum := md5.Sum(append(bytes.Clone(b), secret...))
		copy(b[4:], sum[:])
		return b
	}
	strip := func(b []byte) []byte {
		b = append(bytes.Clone(b[:20]), b[38:]...)
		b[3] = byte(len(b))
		return b
	}
	for _, c := range []struct {
		name string
		lie  func(good, request []byte) radiustest.Datagram
		want Drop
	}{
		{"without a Message-Authenticator", func(b, r []byte) radiustest.Datagram {
			return radiustest.Datagram{From: one, Data: resign(strip(b), r, ours)}
		}, DropUnsigned},
		{"with nothing at all", func(b, r []byte) radiustest.Datagram {
			b = bytes.Clone(b[:20])
			b[2], b[3] = 0, 20
			return radiustest.Datagram{From: one, Data: resign(b, r, ours)}
		}, DropUnsigned},
		{"with a wrong one", func(b, r []byte) radiustest.Datagram {
			b[22] ^= 1
			return radiustest.Datagram{From: one, Data: resign(b, r, ours)}
		}, DropSignature},
		{"with one that is not first", func(b, r []byte) radiustest.Datagram {
			p, _ := radius.Parse(b, []byte(ours))
			p.Attributes = radius.Attributes{p.Attributes[1], p.Attributes[0]}
			b, _ = p.MarshalBinary()
			copy(b[4:20], r[4:20])
			clear(b[len(b)-16:])
			copy(b[len(b)-16:], sign(b, []byte(ours)))
			return radiustest.Datagram{From: one, Data: resign(b, r, ours)}
		}, DropUnsigned},
		{"with two", func(b, r []byte) radiustest.Datagram {
			b = append(b, b[20:38]...)
			b[3] = byte(len(b))
			return radiustest.Datagram{From: one, Data: resign(b, r, ours)}
		}, DropUnsigned},
		{"a collision's prefix before it", func(b, r []byte) radiustest.Datagram {
			proxy := append([]byte{33, 34}, make([]byte, 32)...)
			b = append(append(bytes.Clone(b[:20]), proxy...), b[20:]...)
			b[3] = byte(len(b))
			return radiustest.Datagram{From: one, Data: resign(b, r, ours)}
		}, DropUnsigned},
		{"another Response Authenticator", func(b, r []byte) radiustest.Datagram {
			b[4] ^= 1
			return radiustest.Datagram{From: one, Data: b}
		}, DropResponse},
		{"another secret", func(b, r []byte) radiustest.Datagram {
			p, _ := radius.Parse(r, nil)
			return radiustest.Datagram{From: one, Data: radiustest.Seal(p, reply, "guessed")}
		}, DropSignature},
		{"another identifier", func(b, r []byte) radiustest.Datagram {
			b[1]++
			return radiustest.Datagram{From: one, Data: b}
		}, DropIdentifier},
		{"another address", func(b, r []byte) radiustest.Datagram { return radiustest.Datagram{From: other, Data: b} }, DropSource},
		{"another code", func(b, r []byte) radiustest.Datagram {
			b[0] = byte(radius.CodeAccountingResponse)
			return radiustest.Datagram{From: one, Data: b}
		}, DropCode},
		{"octets missing", func(b, r []byte) radiustest.Datagram { return radiustest.Datagram{From: one, Data: b[:len(b)-1]} }, DropMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := new(radiustest.Network)
				lies := true
				n.Serve(one, func(request []byte) []radiustest.Datagram {
					p, _ := radius.Parse(request, []byte(ours))
					good := radiustest.Seal(p, reply, ours)
					if !lies {
						return []radiustest.Datagram{c.lie(bytes.Clone(good), request), {From: one, Data: append(good, 0, 0)}}
					}
					return []radiustest.Datagram{c.lie(good, request)}
				})
				cl := client(n, nil)
				if a, err := cl.Ask(t.Context(), question()); err == nil {
					t.Errorf("believed: %+v", a)
				}
				if got := cl.Status().Servers[0]; got.Dropped[c.want] != 3 || got.Answers != 0 || got.Timeouts != 3 || got.Trouble == "" {
					t.Errorf("%+v, want %s", got, c.want)
				}
				// A lie before the truth costs nothing.
				lies = false
				if a, err := cl.Ask(t.Context(), question()); err != nil || a.Message != "welcome" {
					t.Errorf("%+v, %v", a, err)
				}
			})
		})
	}
}

// A15: lengths that contradict each other.
func TestAttackA15AttributeLengths(t *testing.T) {
	raw := func(length byte) []byte {
		b := append(make([]byte, 20), 26, length, 0, 0, 1, 55, 17, 3, 0)
		b[0], b[3] = 2, byte(len(b))
		return b
	}
	for _, length := range []byte{0, 1, 2, 10, 255} {
		if p, drop := open(raw(length), append([]byte{1, 0, 0, 20}, make([]byte, 16)...), ours); p != nil || drop != DropMalformed {
			t.Errorf("length %d: %v %q", length, p, drop)
		}
	}
	for _, inside := range [][]byte{{}, {0}, {0, 0, 1, 55}, {0, 0, 1, 55, 17}, {0, 0, 1, 55, 17, 0}, {0, 0, 1, 55, 17, 1}, {0, 0, 1, 55, 17, 255, 1}, {0, 0, 1, 55, 99, 2, 17}} {
		p := &radius.Packet{Secret: []byte(ours), Attributes: radius.Attributes{{Type: rfc2865.VendorSpecific_Type, Attribute: inside}}}
		if v := vendor(p, msMPPERecvKey); v != nil {
			t.Errorf("% x holds % x", inside, v)
		}
	}
	p := &radius.Packet{Secret: []byte(ours), Attributes: radius.Attributes{{Type: rfc2865.VendorSpecific_Type, Attribute: []byte{0, 0, 1, 55, 17, 4, 0x80, 1}}}}
	if _, err := read(p, make([]byte, 20)); err == nil {
		t.Error("a key without a ours is taken")
	}
}

func TestServersInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(radiustest.Network)
		var told []string
		c := client(n, &told)
		began := time.Now()
		_, err := c.Ask(t.Context(), question())
		if err == nil || !strings.Contains(err.Error(), "the RADIUS server 192.0.2.5:1812 does not answer; the RADIUS server 192.0.2.6:1812 does not answer") {
			t.Error(err)
		}
		if took := time.Since(began); took != 12*time.Second {
			t.Errorf("it took %v", took)
		}
		n.Serve(two, radiustest.Honest(two, ours, accept()))
		for range 2 {
			if a, err := c.Ask(t.Context(), question()); err != nil || a.Server != two {
				t.Errorf("%+v, %v", a, err)
			}
		}
		if s := c.Status(); s.Servers[0].Requests != 2 || s.Servers[1].Answers != 2 || s.Servers[1].Trouble != "" {
			t.Errorf("%+v", s)
		}
		// One that comes back is asked again after a while.
		n.Serve(one, radiustest.Honest(one, ours, accept()))
		time.Sleep(deadTime)
		if a, err := c.Ask(t.Context(), question()); err != nil || a.Server != one {
			t.Errorf("%+v, %v", a, err)
		}
		want := "192.0.2.5:1812 the RADIUS server 192.0.2.5:1812 does not answer|192.0.2.6:1812 the RADIUS server 192.0.2.6:1812 does not answer|192.0.2.6:1812 |192.0.2.5:1812 "
		if got := strings.Join(told, "|"); got != want {
			t.Errorf("told %s", got)
		}
	})
}

// Who asked may go away.
func TestAskIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client(new(radiustest.Network), nil).Ask(ctx, question()); err != context.DeadlineExceeded {
			t.Error(err)
		}
	})
}

func TestWhatAnAnswerSays(t *testing.T) {
	text := func(kind radius.Type, s string) *radius.AVP { return &radius.AVP{Type: kind, Attribute: []byte(s)} }
	number := func(kind radius.Type, n uint32) *radius.AVP {
		return &radius.AVP{Type: kind, Attribute: radius.NewInteger(n)}
	}
	good := &radius.Packet{Code: radius.CodeAccessAccept, Secret: []byte(ours), Attributes: radius.Attributes{
		{Type: rfc2865.FramedIPAddress_Type, Attribute: []byte{10, 255, 1, 9}},
		text(rfc2865.FramedRoute_Type, "10.7.0.0/24 10.255.1.9 1"), text(rfc2865.FramedRoute_Type, "192.168.5.0 0.0.0.0"), text(rfc2865.FramedRoute_Type, "10.8.0.0/16"),
		number(rfc2865.FramedIPXNetwork_Type, 0xBEEF), number(rfc2865.SessionTimeout_Type, 60), number(rfc2865.IdleTimeout_Type, 30), number(rfc2869.AcctInterimInterval_Type, 600),
		text(rfc2865.ReplyMessage_Type, "hello, "), text(rfc2865.ReplyMessage_Type, "west"), text(rfc2865.Class_Type, "c"), text(99, "?"),
	}}
	a, err := read(good, make([]byte, 20))
	if got := fmt.Sprint(a.Address, a.Routes, a.IPXNetwork, a.Session, a.Idle, a.Interim, a.Message); err != nil ||
		got != "10.255.1.9 [{10.7.0.0/24 10.255.1.9} {192.168.5.0/24 invalid IP} {10.8.0.0/16 invalid IP}] 48879 1m0s 30s 10m0shello, west" {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []*radius.AVP{
		text(rfc2865.FramedIPAddress_Type, "\x7f\x00\x00\x01"), text(rfc2865.FramedIPAddress_Type, "\x00\x00\x00\x00"), text(rfc2865.FramedIPAddress_Type, "123"),
		text(rfc2865.FramedRoute_Type, "0.0.0.0/0"), text(rfc2865.FramedRoute_Type, "10.7.0.1/24"), text(rfc2865.FramedRoute_Type, ""), text(rfc2865.FramedRoute_Type, "fd00::/64"),
		text(rfc2865.FramedRoute_Type, "10.7.0.0/24 $(reboot)"), text(rfc2865.FramedRoute_Type, "224.0.0.0/8"),
		number(rfc2865.FramedIPXNetwork_Type, 0), number(rfc2865.ServiceType_Type, 6), text(rfc2865.SessionTimeout_Type, "1"),
	} {
		if _, err := read(&radius.Packet{Secret: []byte(ours), Attributes: radius.Attributes{bad}}, make([]byte, 20)); err == nil {
			t.Errorf("%d %q is taken", bad.Type, bad.Attribute)
		}
	}
}

func TestAccounting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(radiustest.Network)
		var got []string
		n.Serve(acct, radiustest.Honest(acct, ours, func(p *radius.Packet) *radiustest.Reply {
			octets := uint64(rfc2869.AcctInputGigawords_Get(p))<<32 | uint64(rfc2866.AcctInputOctets_Get(p))
			got = append(got, fmt.Sprint(rfc2866.AcctStatusType_Get(p), " ", rfc2865.UserName_GetString(p), " ", octets, " ", rfc2866.AcctTerminateCause_Get(p)))
			return &radiustest.Reply{Code: radius.CodeAccountingResponse}
		}))
		c := client(n, nil)
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() { c.Run(ctx); close(over) }()
		r := Record{Call: question().Call, Kind: Start, Time: time.Now()}
		c.Account(r)
		r.Kind, r.OctetsIn, r.Cause = Stop, 5<<32+7, IdleTimeout
		synctest.Wait()
		cancel()
		<-over
		c.Account(r) // in the last moment
		c.Run(ctx)
		if s := strings.Join(got, "|"); s != "Start west 0 AcctTerminateCause(0)|Stop west 21474836487 Idle-Timeout" || c.Status().Lost != 0 {
			t.Errorf("%s, %d lost", s, c.Status().Lost)
		}
		for _, b := range n.Seen() {
			if !radius.IsAuthenticRequest(b, []byte(ours)) {
				t.Errorf("% x is not signed", b)
			}
		}
	})
}

// A server for accounting that is dead loses records, and never holds anybody up.
func TestAccountingInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(new(radiustest.Network), nil)
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() { c.Run(ctx); close(over) }()
		began := time.Now()
		for range queueLen + 10 {
			c.Account(Record{Call: question().Call, Kind: Start, Time: time.Now()})
		}
		if time.Since(began) != 0 || c.Status().Lost < 9 {
			t.Errorf("%v, %d lost", time.Since(began), c.Status().Lost)
		}
		time.Sleep(time.Minute)
		cancel()
		<-over
		if took := time.Since(began); took > time.Minute+drainTime {
			t.Errorf("the end took %v", took)
		}
	})
}

// Whatever comes, nothing of it is taken that is not signed.
func FuzzOpen(f *testing.F) {
	p := radius.New(radius.CodeAccessRequest, []byte(ours))
	request, _ := sealAccess(p)
	f.Add([]byte{2, request[1], 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	f.Add(radiustest.Seal(p, &radiustest.Reply{Code: radius.CodeAccessAccept}, "guessed"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, _ := open(bytes.Clone(b), request, ours); got != nil {
			t.Errorf("% x", b)
		}
		if q, err := radius.Parse(b, []byte(ours)); err == nil {
			if a, err := read(q, request); err == nil && (len(a.Routes) > maxRoutes || len(a.Class) > maxClass || len(a.Message) > 5*maxText) {
				t.Errorf("%+v", a)
			}
		}
	})
}

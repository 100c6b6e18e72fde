package watchdog

import (
	"testing"
	"time"

	"sitebridge/ipx"
)

// A demand link that is idle by choice can be had at any time: logins stay for as
// long as nobody needs it, and no longer than the limit once it cannot be had.
func TestAnsweredWithoutLimitWhileIdle(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.login(client, 1)
	l.Idle(l.now)
	for range 3 * ncpAnswers {
		if l.wait(ncpRound); !l.ask(client, 1) {
			t.Fatalf("not answered after %v", l.now.Sub(start))
		}
	}
	l.Lost(l.now)
	if l.wait(hold - time.Minute); l.ask(client, 1) {
		t.Error("answered more often than a server asks, though the link cannot be had")
	}
	l.Found()
	l.here(client, 1)
	l.Lost(l.now)
	l.Idle(l.now)
	if l.wait(hold); l.ask(client, 1) {
		t.Error("a link that was lost is held for idle")
	}
}

func TestLimitCountsFromTheFailedDial(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.login(client, 1)
	l.Idle(l.now)
	l.wait(24 * time.Hour)
	l.Lost(l.now)
	if l.wait(hold - time.Minute); !l.ask(client, 1) {
		t.Error("not answered within the limit")
	}
	l.Lost(l.now)
	if l.wait(time.Minute); l.ask(client, 1) {
		t.Error("answered after the limit")
	}
}

func TestIsKeepalive(t *testing.T) {
	ack := spxHead{control: spxSystem, source: farID, dest: nearID}
	data := spxHead{control: spxWantAck, source: farID, dest: nearID}
	for _, tt := range []struct {
		name string
		pkt  []byte
		want bool
	}{
		{"a server asks", pkt(ipx.TypeNCP, asker, above(client), 1, '?'), true},
		{"a client answers", pkt(ipx.TypePEP, above(client), asker, 1, 'Y'), true},
		{"a message waits at the server", pkt(ipx.TypeNCP, asker, above(client), 1, '!'), false},
		{"a request", pkt(ipx.TypeNCP, client, server, ncpHead{kind: ncpRequest, conn: 1}.append(nil)...), false},
		{"SPX asks", spxPacket(nearKeepalive, ""), true},
		{"SPX acknowledges", spxPacket(ack, ""), true},
		{"SPX has data", spxPacket(data, "data"), false},
		{"SPX cut short", pkt(ipx.TypeSPX, server, client, spxSystem, 0), false},
		{"another type", pkt(ipx.TypeUnknown, asker, above(client), 1, '?'), false},
	} {
		h, data, err := ipx.Parse(tt.pkt)
		if err != nil {
			t.Fatal(err)
		}
		if got := IsKeepalive(&h, data); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

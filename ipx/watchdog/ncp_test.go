package watchdog

import (
	"testing"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/internal/race"
	"sitebridge/ipx"
)

// Rules by which a session that is really gone is cleared by its server
// (attack X6), and one that lives is not.

func TestAttackX6AnswerIsTheClients(t *testing.T) {
	for _, typ := range []ipx.PacketType{ipx.TypeNCP, ipx.TypePEP} {
		l := newLink(t, Config{Limit: hold})
		l.login(client, 0x0101)
		l.lose()
		if !l.asks(typ, client, 1, '?') {
			t.Errorf("type %v: not answered", typ)
		}
	}
}

func TestAttackX6OnlyWhileLost(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.login(client, 1)
	l.wantNone("link up", l.why(linkUp))
	l.lose()
	l.wantAnswer("link lost")
	l.Found()
	l.wantNone("link found", l.why(linkUp))
}

func TestAttackX6EndsAtItsLimit(t *testing.T) {
	l := newLink(t, Config{Limit: 10 * time.Minute})
	l.login(client, 1)
	l.lose()
	l.wait(10*time.Minute - 1).wantAnswer("before the limit")
	l.wait(1).wantNone("at the limit", l.why(timeOver))
}

func TestAttackX6WithoutLimitNothingIsAnswered(t *testing.T) {
	l := newLink(t, Config{})
	l.login(client, 1)
	l.lose()
	l.wantNone("no limit given", l.why(timeOver))
}

// A supervisor that tries again and again tells each time that the link is down.
func TestAttackX6LostAgainDoesNotProlong(t *testing.T) {
	l := newLink(t, Config{Limit: 10 * time.Minute})
	l.login(client, 1)
	l.lose()
	l.wait(9 * time.Minute).lose()
	l.wait(time.Minute).wantNone("ten minutes after the first", l.why(timeOver))
}

func TestAttackX6AtMostAsOftenAsAServerAsks(t *testing.T) {
	l := newLink(t, Config{Limit: 24 * time.Hour})
	l.login(client, 1)
	l.lose()
	for range ncpAnswers {
		l.wait(time.Minute).wantAnswer("within a server's patience")
	}
	l.wait(time.Minute).wantNone("once more", l.why(enough))

	// A link that comes and goes while nothing is heard of the client gives no more.
	l.Found()
	l.wait(time.Second).lose()
	l.wantNone("after a flap", l.why(enough))

	// The client itself does.
	l.Found()
	l.request(client, ncpRequest, 2, 1)
	l.lose()
	l.wantAnswer("after the client was heard")
}

func TestAttackX6OnlySessionsSeenPassing(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	other := client
	other.Node[5] = 9
	l.login(other, 1)
	stranger := client
	l.request(stranger, ncpRequest, 5, 1) // that alone makes no session
	l.lose()
	l.wantNone("never logged in", l.why(unknown))
	if !l.ask(other, 1) {
		t.Error("the client that did: not answered")
	}
}

func TestAttackX6OnlyFromItsServer(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.login(client, 1)
	l.lose()
	to := client
	to.Socket++
	forged := asker
	forged.Network = 0x5EA2
	reply := packet.Get()
	defer packet.Put(reply)
	if l.Answer(pkt(ipx.TypeNCP, forged, to, 1, '?'), reply, l.now) {
		t.Error("another server was answered")
	}
	if l.Answer(pkt(ipx.TypeNCP, asker, client, 1, '?'), reply, l.now) {
		t.Error("answered on the NCP socket itself")
	}
}

func TestAttackX6OtherConnection(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.login(client, 2)
	l.lose()
	l.wantNone("connection 1 of a client with connection 2", l.why(otherConnection))
}

func TestAttackX6MessagesAreNotAnswered(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.login(client, 1)
	l.lose()
	for _, sign := range "!@" {
		if l.asks(ipx.TypeNCP, client, 1, byte(sign)) {
			t.Errorf("%c was answered", sign)
		}
	}
	if n := l.Stats().Refused.Message; n != 2 {
		t.Errorf("%d messages counted", n)
	}
	for _, data := range [][]byte{{1, 'Y'}, {1, '?', 0}, {1}, {}, {1, 'x'}} {
		to := client
		to.Socket++
		if l.Answer(pkt(ipx.TypeNCP, asker, to, data...), packet.Get(), l.now) {
			t.Errorf("%q was answered", data)
		}
	}
	if l.asks(ipx.TypeUnknown, client, 1, '?') {
		t.Error("type 0 was answered")
	}
}

func TestAttackX6DestroyedConnection(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.login(client, 1)
	l.request(client, ncpDestroy, 2, 1)
	l.reply(client, 2, 1, 0)
	l.lose()
	l.wantNone("after Destroy Connection", l.why(ended))
	l.Found()
	l.login(client, 1)
	l.lose()
	l.wantAnswer("logged in again")
}

// The Destroy Connection of a connection before, that comes late, ends nothing.
func TestDestroyOfAnotherConnection(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.login(client, 1)
	l.request(client, ncpDestroy, 2, 7)
	l.lose()
	l.wantAnswer("another connection was destroyed")
}

func TestAttackX6ServerHasNoSuchConnection(t *testing.T) {
	for _, status := range []byte{0x01, 0x04, 0x10, 0x51} {
		l := newLink(t, Config{Limit: hold})
		l.login(client, 1)
		l.request(client, ncpRequest, 2, 1)
		l.reply(client, 2, 1, status)
		l.lose()
		l.wantNone("the server said that it is gone", l.why(ended))
	}
	l := newLink(t, Config{Limit: hold})
	l.login(client, 1)
	l.reply(client, 2, 1, 0x40)
	l.lose()
	l.wantAnswer("the server said that a message waits")
}

func TestAttackX6NewConnectionNotGrantedYet(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.login(client, 1)
	l.request(client, ncpCreate, 0, 0xFFFF) // rebooted
	l.lose()
	l.wantNone("its old connection", l.why(ended))
}

func TestAttackX6AlreadyAsked(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.login(client, 1)
	l.wait(297*time.Second).crossWatchdog(client, 1)
	l.wait(answerTime + time.Second).otherTraffic()
	l.lose()
	l.wantNone("did not answer while it could", l.why(asked))

	l.Found()
	l.wait(58*time.Second).crossWatchdog(client, 1)
	l.here(client, 1)
	l.lose()
	l.wantAnswer("answered after all")
}

// A question that crossed a link which was dead already, though nobody had noticed,
// says nothing about the client.
func TestAskedOnADeadLink(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.login(client, 1)
	l.wait(200 * time.Second).otherTraffic()
	l.wait(10*time.Second).crossWatchdog(client, 1)
	l.wait(10*time.Second).crossWatchdog(client, 1)
	l.wait(10 * time.Second).lose()
	l.wantAnswer("nothing came in since before the first question")
}

func TestAttackX6AnswerForAnotherConnectionIsNone(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.login(client, 1)
	l.crossWatchdog(client, 1)
	l.wait(answerTime+time.Second).here(client, 2)
	l.lose()
	l.wantNone("answered for connection 2", l.why(asked))
}

func TestAttackX6SilentBeforeTheLoss(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.login(client, 1)
	l.wait(ncpRound + 1).lose()
	l.wantNone("silent for longer than a round", l.why(silent))

	l = newLink(t, Config{Limit: hold})
	l.login(client, 1)
	l.wait(ncpRound).lose()
	l.wantAnswer("silent for a round")
}

// What the server says keeps no client alive.
func TestAttackX6ServersWordsAreNotTheClients(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.login(client, 1)
	for range 10 {
		l.wait(time.Minute).reply(client, 1, 1, 0)
	}
	l.lose()
	l.wantNone("only the server was heard", l.why(silent))
}

// Time while the link is down is no silence of the client, but that of several
// short calls adds up.
func TestAttackX6SilenceCountsWhileTheLinkIsUp(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.login(client, 1)
	l.lose()
	l.wait(20 * time.Minute).Found()
	other := client
	other.Node[5]++
	l.login(other, 2)
	l.wait(time.Minute).lose()
	l.wantAnswer("lost again before its server asked")
	for range 4 {
		l.wait(time.Minute).Found()
		l.request(other, ncpRequest, 2, 2)
		l.wait(time.Minute).lose()
	}
	l.wait(time.Minute).Found()
	l.request(other, ncpRequest, 2, 2)
	l.wait(time.Second).lose()
	l.wantNone("silent in six calls", l.why(silent))
}

func TestNothingIsLearnedWhileLost(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.lose()
	l.login(client, 1)
	l.wantNone("seen while nothing can cross", l.why(unknown))
}

// Where the server is beyond the link nobody here asks its client: that is the
// matter of the table at the other end.
func TestServerBeyondTheLink(t *testing.T) {
	here, there := newLink(t, Config{Limit: hold}), newLink(t, Config{Limit: hold})
	both := func(fromClient bool, p []byte) {
		here.Observe(p, fromClient, start) // the client is on our side
		there.Observe(p, !fromClient, start)
	}
	head := ncpHead{kind: ncpRequest, sequence: 1, conn: 1, task: 1}
	both(true, pkt(ipx.TypeNCP, client, server, head.append(nil)...))
	head.kind = ncpReply
	both(false, pkt(ipx.TypeNCP, server, client, head.append(nil)...))
	here.lose()
	there.lose()
	there.wantAnswer("at the server's end")
	if n := here.Stats().Sessions; n != 0 {
		t.Errorf("%d sessions at the client's end", n)
	}
	here.wantNone("at the client's end", here.why(unknown))
}

func TestAttackX6NewSessionsPushOutNone(t *testing.T) {
	l := newLink(t, Config{Limit: hold, Sessions: 4})
	nth := func(i int) ipx.Addr {
		c := client
		c.Node[4] = byte(i)
		return c
	}
	for i := range 10 {
		l.wait(time.Second).login(nth(i), uint16(i))
	}
	if s := l.Stats(); s.Sessions != 4 || s.Refused.TableFull == 0 {
		t.Errorf("of ten, four known: %+v", s)
	}
	l.lose()
	for i := range 10 {
		if got := l.ask(nth(i), byte(i)); got != (i < 4) {
			t.Errorf("client %d: answered %v", i, got)
		}
	}
	l.Found()

	// What has ended, or was not heard of for long, makes room.
	l.request(nth(0), ncpDestroy, 2, 0)
	l.wait(ncpAge)
	for _, i := range []uint16{1, 2} {
		l.request(nth(int(i)), ncpRequest, 3, i)
		l.reply(nth(int(i)), 3, i, 0)
	}
	l.wait(2*time.Second).login(nth(8), 8)
	l.login(nth(9), 9)
	if n := l.Stats().Sessions; n != 4 {
		t.Errorf("%d sessions after one ended and one aged, want 4", n)
	}
	l.lose()
	if !l.ask(nth(8), 8) || !l.ask(nth(9), 9) || l.ask(nth(3), 3) {
		t.Errorf("the wrong ones are known: %+v", l.Stats())
	}
}

func TestAnswerHasAChecksumIfTheQuestionHas(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.login(client, 1)
	l.lose()
	to := client
	to.Socket++
	q := pkt(ipx.TypeNCP, asker, to, 1, '?')
	sum := ipx.Checksum(q)
	q[0], q[1] = byte(sum>>8), byte(sum)
	reply := packet.Get()
	defer packet.Put(reply)
	if !l.Answer(q, reply, l.now) || !ipx.ChecksumInUse(reply.Bytes()) {
		t.Fatalf("answer %x", reply.Bytes())
	}
	if h, _, _ := ipx.Parse(reply.Bytes()); h.Checksum != ipx.Checksum(reply.Bytes()) {
		t.Errorf("checksum %04X, want %04X", h.Checksum, ipx.Checksum(reply.Bytes()))
	}
}

func TestNilTableAnswersNothing(t *testing.T) {
	var none *Table
	none.Observe(nil, true, start)
	none.Lost(start)
	none.Found()
	if none.Answer(nil, packet.Get(), start) || none.Stats() != (Stats{}) {
		t.Error("a table that is not there")
	}
}

func TestTableDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		return // the race detector allocates: test/run looks at it without
	}
	l := newLink(t, Config{Limit: hold})
	l.login(client, 1)
	l.spxTalk()
	to := client
	to.Socket++
	game := pkt(ipx.TypeUnknown, client, server, make([]byte, 500)...)
	game[17] = 0x44
	crossing := [][]byte{
		pkt(ipx.TypeNCP, client, server, ncpHead{kind: ncpRequest, conn: 1}.append(nil)...),
		pkt(ipx.TypeNCP, server, client, ncpHead{kind: ncpReply, conn: 1}.append(nil)...),
		pkt(ipx.TypeNCP, to, asker, 1, 'Y'), game, nil,
	}
	question, keepalive := pkt(ipx.TypeNCP, asker, to, 1, '?'), l.spxKeepalive()
	reply := packet.Get()
	defer packet.Put(reply)
	if n := testing.AllocsPerRun(100, func() {
		for _, p := range crossing {
			l.Observe(p, true, l.now)
			l.Observe(p, false, l.now)
		}
		l.Observe(keepalive, true, l.now)
		l.Lost(l.now)
		l.Table.ncp.known[keyOf(client, server)].answers = 0
		l.Table.spx.known[spxKey{spxNear, spxFar, nearID, farID}].answers = 0
		if !l.Answer(question, reply, l.now) || !l.Answer(keepalive, reply, l.now) || l.Answer(game, reply, l.now) {
			t.Fatal("wrong answers")
		}
		l.Found()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

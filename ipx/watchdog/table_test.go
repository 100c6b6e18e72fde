package watchdog

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/internal/ipxtest"
)

func FuzzNCP(f *testing.F) {
	f.Add([]byte("\x11\x11\x01\xFF\x01\xFF\x00"))         // Create Connection
	f.Add([]byte("\x33\x33\x01\x01\x01\x00\x00\x00"))     // its reply
	f.Add([]byte("\x22\x22\x01\x01\x01\x00\x61\x04\x08")) // Get Big Max Packet Size
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := parseNCP(b)
		if want := len(b) >= ncpHeadLen && (p.kind != ncpReply || len(b) >= ncpReplyLen); ok != want {
			t.Fatalf("parse %x: %v", b, ok)
		}
		if got := p.append(nil); ok && !bytes.HasPrefix(b, got) {
			t.Errorf("%x came back as %x", b, got)
		}
	})
}

func FuzzSPX(f *testing.F) {
	f.Add(nearKeepalive.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := parseSPX(b)
		if got := p.append(nil); ok != (len(b) >= spxHeadLen) || ok && !bytes.HasPrefix(b, got) {
			t.Errorf("%x came back as %x, %v", b, got, ok)
		}
	})
}

// Whatever crosses, and whatever is asked then: an answer is a whole packet back
// to who asked, no longer than the question, and it answers no answer.
func FuzzTable(f *testing.F) {
	f.Add(pkt(ipx.TypeNCP, server, client, ncpHead{kind: ncpReply, conn: 1}.append(nil)...), true,
		pkt(ipx.TypeNCP, client, server, ncpHead{kind: ncpRequest, conn: 1}.append(nil)...), pkt(ipx.TypeNCP, asker, above(client), 1, '?'))
	f.Add(spxPacket(nearKeepalive, ""), true, pkt(ipx.TypeSPX, spxFar, spxNear, spxHead{source: farID, dest: nearID, ack: 8}.append(nil)...), spxPacket(nearKeepalive, ""))
	f.Fuzz(func(t *testing.T, a []byte, aOut bool, b, q []byte) {
		table := New(Config{Limit: time.Hour, Sessions: 2})
		table.Observe(a, aOut, start)
		table.Observe(b, !aOut, start)
		table.Lost(start)
		reply, again := packet.Get(), packet.Get()
		defer packet.Put(reply)
		defer packet.Put(again)
		if !table.Answer(q, reply, start) {
			return
		}
		hq, dq, _ := ipx.Parse(q)
		hr, dr, err := ipx.Parse(reply.Bytes())
		if err != nil || hr.Src != hq.Dst || hr.Dst != hq.Src || hr.Type != hq.Type || len(dr) != len(dq) || reply.Len() != int(hr.Length) {
			t.Errorf("%x answered with %x: %v", q, reply.Bytes(), err)
		}
		if table.Answer(reply.Bytes(), again, start) {
			t.Errorf("answer %x was answered", reply.Bytes())
		}
	})
}

func above(a ipx.Addr) ipx.Addr {
	a.Socket++
	return a
}

// What mars_nwe and its clients said, as it would have crossed a link between
// them: the sessions that were closed are known to be, the one that was not is
// kept alive.
func TestRecordedSessions(t *testing.T) {
	for _, tt := range []struct {
		file     string
		open     map[ipx.Socket]byte // connections by client socket
		sessions int
	}{
		{"01-samelan-8022-mars-slist-login.pcap", nil, 0},
		{"02-samelan-8023raw.pcap", nil, 0},
		{"05-routed-ipxd-lanA-8022.pcap", map[ipx.Socket]byte{0x4006: 2}, 1},
		{"05-routed-ipxd-lanB-8023.pcap", map[ipx.Socket]byte{0x4006: 2}, 1},
	} {
		t.Run(tt.file, func(t *testing.T) {
			l := newLink(t, Config{Limit: hold})
			var from, to ipx.Addr
			seen := map[ipx.Socket]bool{}
			for _, frame := range ipxtest.Capture(t, "../testdata/"+tt.file) {
				_, _, _, p, err := ipx.Decapsulate(frame)
				if err != nil {
					t.Fatalf("%x: %v", frame, err)
				}
				h, _, _ := ipx.Parse(p)
				toServer := h.Dst.Socket == ipx.SocketNCP
				if toServer {
					from, to = h.Dst, h.Src
					seen[h.Src.Socket] = true
				}
				l.Observe(p, !toServer, l.wait(time.Millisecond).now)
			}
			if s := l.Stats(); s.Sessions != tt.sessions {
				t.Errorf("%+v, want %d sessions", s, tt.sessions)
			}
			l.lose()
			from.Socket = 0x4001
			for socket := range seen {
				to.Socket = socket
				reply := packet.Get()
				got := l.Answer(pkt(ipx.TypeNCP, from, above(to), tt.open[socket], '?'), reply, l.now)
				if _, open := tt.open[socket]; got != open {
					t.Errorf("client at socket %v: answered %v, want %v", socket, got, open)
				}
				packet.Put(reply)
			}
			if len(seen) == 0 {
				t.Error("no session in the capture")
			}
		})
	}
}

// Both directions of a link, its supervisor and status share a table.
func TestTableIsSharedSafely(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	request := pkt(ipx.TypeNCP, client, server, ncpHead{kind: ncpRequest, conn: 1}.append(nil)...)
	answer := pkt(ipx.TypeNCP, server, client, ncpHead{kind: ncpReply, conn: 1}.append(nil)...)
	question := pkt(ipx.TypeNCP, asker, above(client), 1, '?')
	var all sync.WaitGroup
	for _, do := range []func(){
		func() { l.Observe(request, false, start) },
		func() { l.Observe(answer, true, start) },
		func() { l.Observe(l.spxKeepalive(), true, start) },
		func() { l.Lost(start); l.Found() },
		func() { l.Stats() },
		func() {
			reply := packet.Get()
			l.Answer(question, reply, start)
			packet.Put(reply)
		},
	} {
		all.Go(func() {
			for range 200 {
				do()
			}
		})
	}
	all.Wait()
}

func BenchmarkObserve(b *testing.B) {
	table := New(Config{Limit: hold})
	request := pkt(ipx.TypeNCP, client, server, ncpHead{kind: ncpRequest, conn: 1}.append(nil)...)
	table.Observe(pkt(ipx.TypeNCP, server, client, ncpHead{kind: ncpReply, conn: 1}.append(nil)...), true, start)
	game := pkt(ipx.TypeUnknown, spxNear, spxFar, make([]byte, 100)...)
	b.Run("session", func(b *testing.B) {
		for b.Loop() {
			table.Observe(request, false, start)
		}
	})
	b.Run("other", func(b *testing.B) {
		for b.Loop() {
			table.Observe(game, false, start)
		}
	})
}

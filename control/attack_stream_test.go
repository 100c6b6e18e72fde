package control

import (
	"errors"
	"fmt"
	"net"
	"testing"
)

// serveCounted serves one end of a pipe, established or not, and returns the
// peer, its counters, and what Serve will return.
func serveCounted(t *testing.T, established bool) (*testPeer, *counters, <-chan error) {
	t.Helper()
	ours, theirs := net.Pipe()
	count := new(counters)
	result := make(chan error, 1)
	go func() { result <- newConn(ours, Config{}, options{parent: count}).serve(t.Context()) }()
	peer := newTestPeer(t, theirs)
	if established {
		peer.send(okRequest)
		next[StartReply](peer)
	}
	return peer, count, result
}

// header is a message header with any length and type.
func header(length, messageType uint16) []byte {
	b := be.AppendUint16(nil, length)
	b = append(b, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d)
	b = be.AppendUint16(b, messageType)
	return append(b, 0, 0)
}

// wantMalformed sends b, which may be cut off by the end of the connection, and
// wants that end, for the reason given, with one count and not a word.
func wantMalformed(t *testing.T, b []byte, established bool, reason MalformedReason) {
	t.Helper()
	peer, count, result := serveCounted(t, established)
	before := count.stats()
	sent := make(chan struct{})
	go func() {
		peer.nc.Write(b)
		close(sent)
	}()
	peer.expectEnd()
	<-sent
	err := <-result
	var malformed *MalformedError
	if !errors.As(err, &malformed) || malformed.Reason != reason {
		t.Errorf("% x: Serve = %v, want %v", b, err, reason)
	}
	after := count.stats()
	if d := after.Drops; d.ControlLength+d.MagicCookie+d.PPTPMessageType != 1 {
		t.Errorf("% x: drops %+v, want one", b, d)
	}
	if after.In != before.In || after.Out != before.Out {
		t.Errorf("% x: was partly processed: %+v", b, after)
	}
}

func TestAttackC1ControlLength(t *testing.T) {
	for _, length := range []uint16{0, 1, 11, 15} {
		for _, established := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d/%v", length, established), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					wantMalformed(t, append(header(length, uint16(TypeEchoRequest)), 1, 2, 3, 4), established, ControlLength)
				})
			})
		}
	}
	if got := ControlLength.String(); got != "control length" {
		t.Errorf("the reason reads %q", got)
	}
}

func TestAttackC2EveryLengthOfEveryType(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				for length := range v.Length + 9 {
					if length == v.Length {
						continue
					}
					b := append([]byte{}, v.octets...)
					b = append(b, make([]byte, 8)...)
					be.PutUint16(b, uint16(length))
					wantMalformed(t, b[:max(length, headerLen)], true, ControlLength)
				}
			})
		})
	}
}

func TestAttackC3UnknownTypes(t *testing.T) {
	for _, messageType := range []uint16{0, 16, 255, 65535} {
		for _, established := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d/%v", messageType, established), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					wantMalformed(t, header(0, messageType), established, ControlLength)
				})
				bubble(t, func(t *testing.T) {
					peer, count, result := serveCounted(t, established)
					for _, length := range []uint16{12, 300} {
						peer.write(append(header(length, messageType), make([]byte, length-headerLen)...))
					}
					if established {
						peer.send(EchoRequest{Identifier: 1})
						peer.expect(EchoReply{Identifier: 1, Result: EchoOK})
					} else {
						peer.send(okRequest)
						next[StartReply](peer)
					}
					if got := count.stats().Drops; got != (Drops{UnknownType: 2}) {
						t.Errorf("drops %+v, want 2 of unknown type", got)
					}
					peer.nc.Close()
					<-result
				})
			})
		}
	}
}

// The same messages in one segment, and an octet at a time, get the same
// answers, without waiting for anything more to come.
func TestAttackC5SegmentBorders(t *testing.T) {
	for _, n := range []int{2, 3, 10} {
		messages := []Message{okRequest}
		for i := range n - 1 {
			messages = append(messages, EchoRequest{Identifier: uint32(i)})
		}
		var b []byte
		for _, m := range messages {
			b = Append(b, m)
		}
		for name, segment := range map[string]int{"one segment": len(b), "one octet per segment": 1} {
			t.Run(fmt.Sprintf("%d in %s", n, name), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					peer, _, result := serveCounted(t, false)
					sent := make(chan struct{})
					go func() {
						defer close(sent)
						for off := 0; off < len(b); off += segment {
							peer.write(b[off : off+segment])
						}
					}()
					next[StartReply](peer)
					for i := range n - 1 {
						peer.expect(EchoReply{Identifier: uint32(i), Result: EchoOK})
					}
					<-sent
					peer.nc.Close()
					<-result
				})
			})
		}
	}
}

func TestAttackC9IncomingCallRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg, calls := answering(1)
		s, peer := accepted(t, cfg)
		for _, id := range []uint16{0, 0xABCD, 0xffff} {
			m := IncomingCallRequest{
				CallID: id, DialedNumberLength: 0xffff, DialingNumberLength: 0xffff, DialedNumber: MakeText("%n%n"),
			}
			peer.send(m)
			peer.expect(IncomingCallReply{PeerCallID: id, Result: IncomingDoNotAccept})
			peer.send(IncomingCallConnected{PeerCallID: 0}, IncomingCallReply{PeerCallID: id, Result: IncomingConnect})
		}
		peer.send(EchoRequest{Identifier: 9})
		peer.expect(EchoReply{Identifier: 9, Result: EchoOK})
		if len(calls) != 0 {
			t.Errorf("%d calls came of it", len(calls))
		}
		peer.nc.Close()
		<-s.result
	})
}

package control

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// A peer asks and asks and reads nothing until every buffer on the way is full;
// then it reads, and nothing is missing.
func TestAttackC4PeerReadsLate(t *testing.T) {
	ours, theirs := tcpPair(t)
	result := make(chan error, 1)
	go func() { result <- Serve(t.Context(), ours, Config{}) }()
	peer := newTestPeer(t, theirs)
	peer.send(okRequest)
	next[StartReply](peer)

	// Write until nothing moves any more; the rest of what stuck follows when it
	// does.
	asked, rest := uint32(0), []byte(nil)
	for len(rest) == 0 {
		var b []byte
		for range 100 {
			b = Append(b, EchoRequest{Identifier: asked})
			asked++
		}
		theirs.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		n, err := theirs.Write(b)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		rest = b[n:]
	}
	t.Logf("stuck after %d questions", asked)
	theirs.SetWriteDeadline(time.Time{})
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		theirs.Write(rest)
	}()
	for i := range asked {
		peer.expect(EchoReply{Identifier: i, Result: EchoOK})
	}
	<-wrote
	theirs.Close()
	if err := <-result; err != ErrPeerClosed {
		t.Errorf("Serve = %v", err)
	}
}

// A peer that never reads costs us the connection, not more.
func TestAttackC4PeerNeverReads(t *testing.T) {
	ours, theirs := tcpPair(t)
	defer theirs.Close()
	result := make(chan error, 1)
	go func() { result <- Serve(t.Context(), ours, Config{WriteTimeout: 50 * time.Millisecond}) }()
	theirs.Write(Append(nil, okRequest))
	questions := bytes.Repeat(Append(nil, EchoRequest{Identifier: 1}), 100)
	for {
		if _, err := theirs.Write(questions); err != nil {
			break
		}
	}
	if err := <-result; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Serve = %v, want %v", err, os.ErrDeadlineExceeded)
	}
}

// Last words reach a peer although it went on talking: closing on what it said
// would have made the kernel take them back.
func TestLastWordsArrive(t *testing.T) {
	for name, test := range map[string]struct {
		first Message
		want  int // octets
	}{
		"refusal": {StartRequest{Version: 0}, 156},
		"stop":    {StopRequest{Reason: StopNone}, 16},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := tcpPair(t)
			peer := newTestPeer(t, theirs)
			result := make(chan error, 1)
			go func() { result <- Serve(t.Context(), ours, Config{}) }()
			if name == "stop" {
				peer.send(okRequest)
				next[StartReply](peer)
			}
			peer.write(append(Append(nil, test.first), make([]byte, 16<<10)...))
			theirs.CloseWrite()
			if b, err := io.ReadAll(theirs); err != nil || len(b) != test.want {
				t.Errorf("peer got % x, %v", b, err)
			}
			<-result
		})
	}
}

// cutting runs cut for every length that a conversation may have, three times
// over, all at once.
func cutting(conversation []byte, cut func(n int, reset bool)) int {
	var all sync.WaitGroup
	total := 0
	for round := range 3 {
		for n := range len(conversation) + 1 {
			total++
			all.Go(func() { cut(n, round == 1) })
		}
	}
	all.Wait()
	return total
}

// hangUp closes nc, with a reset if so wanted.
func hangUp(nc net.Conn, reset bool) {
	if reset {
		nc.(*net.TCPConn).SetLinger(0)
	}
	nc.Close()
}

// The peer dials, has a call, and is cut off after each octet.
func TestAttackC7CutWhileServing(t *testing.T) {
	wantBaseline := baseline(t)
	h := newHarbour(t, Limits{VacantPerSource: 2000, Vacant: 2000})
	var script []byte
	for _, m := range []Message{
		okRequest, OutgoingCallRequest{CallID: 9}, SetLinkInfo{PeerCallID: 1}, EchoRequest{},
		CallClearRequest{CallID: 9}, StopRequest{Reason: StopNone},
	} {
		script = Append(script, m)
	}
	total := cutting(script, func(n int, reset bool) {
		nc, err := net.Dial("tcp", h.addr)
		if err != nil {
			t.Error(err)
			return
		}
		defer hangUp(nc, reset)
		nc.Write(script[:n])
		if n == len(script) && !reset { // the one that says goodbye is answered to the end
			nc.(*net.TCPConn).CloseWrite()
			if got, err := io.Copy(io.Discard, nc); err != nil || got != 156+32+20+148+16 {
				t.Errorf("%d octets came back, %v", got, err)
			}
		}
	})
	t.Logf("%d connections", total)
	until(t, "the listener has no connections", func() bool { return h.Stats().Connections == 0 })
	h.stop()
	wantBaseline()
}

// We dial and have a call, and are cut off after each octet of the answers.
func TestAttackC7CutWhileDialling(t *testing.T) {
	wantBaseline := baseline(t)
	nl := listenTCP(t)
	var script []byte
	for _, m := range []Message{
		okReply, OutgoingCallReply{CallID: 2, PeerCallID: 1, Result: Connected}, EchoRequest{},
		CallDisconnectNotify{CallID: 2, Result: LostCarrier}, StopRequest{Reason: StopNone},
	} {
		script = Append(script, m)
	}
	var cuts = make(chan func(net.Conn), 3*(len(script)+1))
	cutting(script, func(n int, reset bool) {
		cuts <- func(nc net.Conn) {
			defer hangUp(nc, reset)
			io.ReadFull(nc, make([]byte, 156))
			nc.Write(script[:min(n, 156)])
			if n > 156 {
				io.ReadFull(nc, make([]byte, 168))
				nc.Write(script[156:n])
			}
		}
	})
	var all sync.WaitGroup
	for range cap(cuts) {
		all.Go(func() {
			nc, err := nl.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			(<-cuts)(nc)
		})
		all.Go(func() {
			nc, err := net.Dial("tcp", nl.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			conn, err := Open(t.Context(), nc, Config{})
			if err != nil {
				return
			}
			if call, err := conn.Call(t.Context(), CallRequest{ID: 1}); err == nil {
				<-call.Done()
			}
			conn.Close()
		})
	}
	all.Wait()
	nl.Close()
	wantBaseline()
}

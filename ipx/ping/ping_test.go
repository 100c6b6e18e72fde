package ping

import (
	"bytes"
	"testing"
)

func TestRequestAndReply(t *testing.T) {
	b := AppendRequest(nil, 0x1234, []byte("data"))
	if want := []byte("Ping\x01\x00\x12\x34\x00\x00data"); !bytes.Equal(b, want) {
		t.Fatalf("request % x, want % x", b, want)
	}
	if IsReply(b) {
		t.Error("a request is no reply")
	}
	if !Answer(b) {
		t.Fatal("Answer refused a request")
	}
	if want := []byte("Ping\x01\x01\x12\x34\x01\x00data"); !bytes.Equal(b, want) {
		t.Errorf("reply % x, want % x", b, want)
	}
	if id, ok := ID(b); !ok || id != 0x1234 || !IsReply(b) {
		t.Errorf("reply has ID %x, %v", id, ok)
	}
	if Answer(b) {
		t.Error("a reply was answered: two hosts would never stop")
	}
}

// What Answer takes is a request, and it changes two octets of it; what it does
// not take it leaves alone.
func FuzzAnswer(f *testing.F) {
	f.Add(AppendRequest(nil, 7, []byte("x")))
	f.Add([]byte("Ping\x01\x01\x00\x00\x00\x00"))
	f.Add([]byte("Pin"))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		if !Answer(b) {
			if !bytes.Equal(b, before) {
				t.Errorf("% x was changed to % x", before, b)
			}
			return
		}
		if !IsReply(b) || len(b) != len(before) {
			t.Errorf("% x was answered by % x", before, b)
		}
		b[offType], b[offResult] = before[offType], before[offResult]
		if !bytes.Equal(b, before) {
			t.Errorf("more than two octets of % x changed", before)
		}
	})
}

func TestKinds(t *testing.T) {
	request := AppendRequest(nil, 7, []byte("data"))
	reply := append([]byte(nil), request...)
	Answer(reply)
	for _, tt := range []struct {
		kind    Kind
		payload []byte
		id      uint16
		want    bool
	}{
		{Novell, reply, 7, true}, {Novell, reply, 8, false}, {Novell, request, 7, false}, {Novell, nil, 7, false},
		{Cisco, request, 7, true}, {Cisco, reply, 7, true}, {Cisco, request, 8, false}, {Cisco, nil, 0, false},
	} {
		if got := tt.kind.IsAnswer(tt.payload, tt.id); got != tt.want {
			t.Errorf("kind %d: % x answers %d: %v", tt.kind, tt.payload, tt.id, got)
		}
	}
}

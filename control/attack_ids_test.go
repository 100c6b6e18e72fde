package control

import (
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fields is an independent decoder: for each message type its fields of up to
// four octets by name, offset and size, copied from the tables of RFC 2637,
// section 2. It shares nothing with the package, not even the header.
var fields = map[int]struct {
	name   string
	length int
	fields []field
}{
	1: {"SCCRQ", 156, []field{{"version", 12, 2}, {"framing", 16, 4}, {"bearer", 20, 4}, {"channels", 24, 2}, {"firmware", 26, 2}}},
	2: {"SCCRP", 156, []field{
		{"version", 12, 2}, {"result", 14, 1}, {"error", 15, 1}, {"framing", 16, 4}, {"bearer", 20, 4},
		{"channels", 24, 2}, {"firmware", 26, 2},
	}},
	3: {"StopRequest", 16, []field{{"reason", 12, 1}}},
	4: {"StopReply", 16, []field{{"result", 12, 1}, {"error", 13, 1}}},
	5: {"EchoRequest", 16, []field{{"identifier", 12, 4}}},
	6: {"EchoReply", 20, []field{{"identifier", 12, 4}, {"result", 16, 1}, {"error", 17, 1}}},
	7: {"OCRQ", 168, []field{
		{"call", 12, 2}, {"serial", 14, 2}, {"minimum", 16, 4}, {"maximum", 20, 4}, {"bearer", 24, 4},
		{"framing", 28, 4}, {"window", 32, 2}, {"delay", 34, 2}, {"number", 36, 2},
	}},
	8: {"OCRP", 32, []field{
		{"call", 12, 2}, {"peer", 14, 2}, {"result", 16, 1}, {"error", 17, 1}, {"cause", 18, 2},
		{"speed", 20, 4}, {"window", 24, 2}, {"delay", 26, 2}, {"channel", 28, 4},
	}},
	9: {"ICRQ", 220, []field{
		{"call", 12, 2}, {"serial", 14, 2}, {"bearer", 16, 4}, {"channel", 20, 4}, {"dialed", 24, 2}, {"dialing", 26, 2},
	}},
	10: {"ICRP", 24, []field{
		{"call", 12, 2}, {"peer", 14, 2}, {"result", 16, 1}, {"error", 17, 1}, {"window", 18, 2}, {"delay", 20, 2},
	}},
	11: {"ICCN", 28, []field{{"peer", 12, 2}, {"speed", 16, 4}, {"window", 20, 2}, {"delay", 22, 2}, {"framing", 24, 4}}},
	12: {"Clear", 16, []field{{"call", 12, 2}}},
	13: {"Disconnect", 148, []field{{"call", 12, 2}, {"result", 14, 1}, {"error", 15, 1}, {"cause", 16, 2}}},
	14: {"WANError", 40, []field{
		{"peer", 12, 2}, {"crc", 16, 4}, {"framing", 20, 4}, {"hardware", 24, 4}, {"buffer", 28, 4},
		{"timeout", 32, 4}, {"alignment", 36, 4},
	}},
	15: {"LinkInfo", 24, []field{{"peer", 12, 2}, {"send", 16, 4}, {"receive", 20, 4}}},
}

type field struct {
	name         string
	offset, size int
}

// decode reads captured octets as messages, one line each, fields that are zero
// left out.
func decode(t *testing.T, b []byte) (out []string) {
	t.Helper()
	for len(b) > 0 {
		if len(b) < 12 || hex.EncodeToString(b[2:8]) != "00011a2b3c4d" || b[8] != 0 || b[10] != 0 || b[11] != 0 {
			t.Fatalf("no header: % x", b)
		}
		f, ok := fields[int(b[9])]
		if !ok || len(b) < f.length || int(b[0])<<8|int(b[1]) != f.length {
			t.Fatalf("not a message of type %d: % x", b[9], b)
		}
		line := f.name
		for _, x := range f.fields {
			value := 0
			for _, octet := range b[x.offset : x.offset+x.size] {
				value = value<<8 | int(octet)
			}
			if value != 0 {
				line += fmt.Sprintf(" %s=%#x", x.name, value)
			}
		}
		out = append(out, line)
		b = b[f.length:]
	}
	return out
}

// A capture is a connection that keeps what is written to it.
type capture struct {
	net.Conn
	mu  sync.Mutex // guards b
	buf []byte
}

func (c *capture) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.buf = append(c.buf, b...)
	c.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *capture) octets() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.buf)
}

// Two ends of ours, one with ID 0x1234 and the other with 0xABCD, go through
// everything that they ever say; the independent decoder finds each ID where it
// belongs, in both roles.
func TestAttackC10CallIDs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		left, right := net.Pipe()
		dialler, answerer := &capture{Conn: left}, &capture{Conn: right}
		calls := make(chan *Call, 1)
		served := make(chan error, 1)
		go func() {
			served <- Serve(t.Context(), answerer, Config{Answer: func(o *Offer) {
				if o.Request.WindowSize == 0 {
					o.Refuse(OutgoingGeneralError, NoResource)
					return
				}
				calls <- o.Accept(0xABCD, 0x40)
			}})
		}()
		conn, err := Open(t.Context(), dialler, Config{})
		if err != nil {
			t.Fatal(err)
		}
		call := func(window uint16) *Call {
			c, _ := conn.Call(t.Context(), CallRequest{ID: 0x1234, Window: window})
			return c
		}
		call(0) // refused
		call(0x30).Clear(t.Context())
		(<-calls).Clear(t.Context()) // over already: says nothing
		again := call(0x30)
		(<-calls).Clear(t.Context())
		<-again.Done()
		conn.Echo(t.Context())
		conn.Close()
		<-served

		wantLines(t, "the dialler", decode(t, dialler.octets()), `
			SCCRQ version=0x100 framing=0x3 bearer=0x3
			OCRQ call=0x1234 serial=0x1 minimum=0x12c maximum=0x5f5e100 bearer=0x3 framing=0x3
			OCRQ call=0x1234 serial=0x2 minimum=0x12c maximum=0x5f5e100 bearer=0x3 framing=0x3 window=0x30
			Clear call=0x1234
			OCRQ call=0x1234 serial=0x3 minimum=0x12c maximum=0x5f5e100 bearer=0x3 framing=0x3 window=0x30
			EchoRequest identifier=0x1
			StopRequest reason=0x3`)
		wantLines(t, "the answerer", decode(t, answerer.octets()), `
			SCCRP version=0x100 result=0x1 framing=0x3 bearer=0x3
			OCRP peer=0x1234 result=0x2 error=0x4
			OCRP call=0xabcd peer=0x1234 result=0x1 speed=0x5f5e100 window=0x40
			Disconnect call=0xabcd result=0x4
			OCRP call=0xabcd peer=0x1234 result=0x1 speed=0x5f5e100 window=0x40
			Disconnect call=0xabcd result=0x3
			EchoReply identifier=0x1 result=0x1
			StopReply result=0x1`)
	})
}

// The messages that we never send, and all others, as they would be written.
func TestAttackC10EveryMessage(t *testing.T) {
	var b []byte
	for _, m := range []Message{
		StartRequest{Version: 0x100, Framing: 1, Bearer: 2, MaxChannels: 3, Firmware: 4},
		StartReply{Version: 0x100, Result: 2, Error: 4, Framing: 1, Bearer: 2, MaxChannels: 3, Firmware: 4},
		StopRequest{Reason: 2},
		StopReply{Result: 2, Error: 3},
		EchoRequest{Identifier: 0x01020304},
		EchoReply{Identifier: 0x01020304, Result: 2, Error: 3},
		OutgoingCallRequest{0x1234, 2, 3, 4, 5, 6, 7, 8, 9, Text{}, Text{}},
		OutgoingCallReply{0xABCD, 0x1234, 1, 2, 3, 4, 5, 6, 7},
		IncomingCallRequest{0xABCD, 2, 3, 4, 5, 6, Text{}, Text{}, Text{}},
		IncomingCallReply{0x1234, 0xABCD, 1, 2, 3, 4},
		IncomingCallConnected{0x1234, 2, 3, 4, 5},
		CallClearRequest{0x1234},
		CallDisconnectNotify{CallID: 0xABCD, Result: 2, Error: 3, CauseCode: 4},
		WANErrorNotify{0x1234, 1, 2, 3, 4, 5, 6},
		SetLinkInfo{0xABCD, 1, 2},
	} {
		b = Append(b, m)
	}
	wantLines(t, "each message", decode(t, b), `
		SCCRQ version=0x100 framing=0x1 bearer=0x2 channels=0x3 firmware=0x4
		SCCRP version=0x100 result=0x2 error=0x4 framing=0x1 bearer=0x2 channels=0x3 firmware=0x4
		StopRequest reason=0x2
		StopReply result=0x2 error=0x3
		EchoRequest identifier=0x1020304
		EchoReply identifier=0x1020304 result=0x2 error=0x3
		OCRQ call=0x1234 serial=0x2 minimum=0x3 maximum=0x4 bearer=0x5 framing=0x6 window=0x7 delay=0x8 number=0x9
		OCRP call=0xabcd peer=0x1234 result=0x1 error=0x2 cause=0x3 speed=0x4 window=0x5 delay=0x6 channel=0x7
		ICRQ call=0xabcd serial=0x2 bearer=0x3 channel=0x4 dialed=0x5 dialing=0x6
		ICRP call=0x1234 peer=0xabcd result=0x1 error=0x2 window=0x3 delay=0x4
		ICCN peer=0x1234 speed=0x2 window=0x3 delay=0x4 framing=0x5
		Clear call=0x1234
		Disconnect call=0xabcd result=0x2 error=0x3 cause=0x4
		WANError peer=0x1234 crc=0x1 framing=0x2 hardware=0x3 buffer=0x4 timeout=0x5 alignment=0x6
		LinkInfo peer=0xabcd send=0x1 receive=0x2`)
}

func wantLines(t *testing.T, who string, got []string, want string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(want), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	if !slices.Equal(got, lines) {
		t.Errorf("%s said\n%s\nwant\n%s", who, strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

package control

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"testing"
)

// A vector is one message of testdata/pptp_control.json. The fields are those
// that Wireshark shows for its octets.
type vector struct {
	Name   string         `json:"name"`
	Type   MessageType    `json:"type"`
	Length int            `json:"length"`
	Hex    string         `json:"hex"`
	Fields map[string]any `json:"wireshark_fields"`
	octets []byte
}

func vectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/pptp_control.json")
	if err != nil {
		t.Fatal(err)
	}
	var vs []vector
	if err := json.Unmarshal(text, &vs); err != nil {
		t.Fatal(err)
	}
	if len(vs) != 15 {
		t.Fatalf("%d vectors, want one of each of the 15 types", len(vs))
	}
	for i := range vs {
		if vs[i].octets, err = hex.DecodeString(vs[i].Hex); err != nil {
			t.Fatal(err)
		}
	}
	return vs
}

// parsed is what each vector must be read as, field by field.
var parsed = map[MessageType]Message{
	TypeStartRequest: StartRequest{
		Version: 0x0100, Framing: 1, Bearer: 1, MaxChannels: 0, Firmware: 1,
		Host: MakeText("site-a.example"), Vendor: MakeText("example"),
	},
	TypeStartReply: StartReply{
		Version: 0x0100, Result: 1, Error: 0, Framing: 3, Bearer: 3, MaxChannels: 0, Firmware: 1,
		Host: MakeText("site-b.example"), Vendor: MakeText("example"),
	},
	TypeStopRequest: StopRequest{Reason: 3},
	TypeStopReply:   StopReply{Result: 1},
	TypeEchoRequest: EchoRequest{Identifier: 0x11223344},
	TypeEchoReply:   EchoReply{Identifier: 0x11223344, Result: 1},
	TypeOutgoingCallRequest: OutgoingCallRequest{
		CallID: 2561, SerialNumber: 1, MinimumBPS: 300, MaximumBPS: 100000000,
		BearerType: 3, FramingType: 3, WindowSize: 64,
	},
	TypeOutgoingCallReply: OutgoingCallReply{
		CallID: 2818, PeerCallID: 2561, Result: 1, ConnectSpeed: 100000000, WindowSize: 64,
	},
	TypeIncomingCallRequest: IncomingCallRequest{
		CallID: 2819, SerialNumber: 2, BearerType: 2, DialedNumberLength: 3, DialingNumberLength: 3,
		DialedNumber: MakeText("100"), DialingNumber: MakeText("200"),
	},
	TypeIncomingCallReply:     IncomingCallReply{CallID: 2564, PeerCallID: 2819, Result: 1, WindowSize: 64},
	TypeIncomingCallConnected: IncomingCallConnected{PeerCallID: 2564, ConnectSpeed: 100000000, WindowSize: 64, FramingType: 2},
	TypeCallClearRequest:      CallClearRequest{CallID: 2561},
	TypeCallDisconnectNotify:  CallDisconnectNotify{CallID: 2818, Result: 4},
	TypeWANErrorNotify: WANErrorNotify{
		PeerCallID: 2564, CRCErrors: 1, FramingErrors: 2, HardwareOverruns: 3,
		BufferOverruns: 4, TimeoutErrors: 5, AlignmentErrors: 6,
	},
	TypeSetLinkInfo: SetLinkInfo{PeerCallID: 2818, SendACCM: 0xffffffff, ReceiveACCM: 0xffffffff},
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			m, err := Parse(v.octets)
			if err != nil {
				t.Fatalf("Parse = %v", err)
			}
			if m != parsed[v.Type] {
				t.Errorf("Parse = %+v\nwant    %+v", m, parsed[v.Type])
			}
			if m.Type() != v.Type || m.Type().String() != v.Name {
				t.Errorf("type = %d %v, want %d %s", m.Type(), m.Type(), v.Type, v.Name)
			}
			if got := Append([]byte{0xAA}, m); !bytes.Equal(got[1:], v.octets) {
				t.Errorf("Append = %x\nwant     %x", got[1:], v.octets)
			}
			if len(v.octets) != v.Length {
				t.Errorf("%d octets, want %d", len(v.octets), v.Length)
			}
		})
	}
}

// Reserved fields hold all sorts of things in the field. They are ignored, and
// not sent on.
func TestReservedFieldsAreIgnored(t *testing.T) {
	for _, v := range vectors(t) {
		dirty := bytes.Clone(v.octets)
		for _, r := range reserved[v.Type] {
			dirty[r] = 0xA5
		}
		if m, err := Parse(dirty); err != nil || m != parsed[v.Type] {
			t.Errorf("%s with reserved octets set: %+v, %v", v.Name, m, err)
		}
	}
}

// reserved lists the offsets of each type's reserved octets, beside 10 and 11 of
// the header (RFC 2637, section 2).
var reserved = map[MessageType][]int{
	TypeStartRequest:          {10, 11, 14, 15},
	TypeStartReply:            {10, 11},
	TypeStopRequest:           {10, 11, 13, 14, 15},
	TypeStopReply:             {10, 11, 14, 15},
	TypeEchoRequest:           {10, 11},
	TypeEchoReply:             {10, 11, 18, 19},
	TypeOutgoingCallRequest:   {10, 11, 38, 39},
	TypeOutgoingCallReply:     {10, 11},
	TypeIncomingCallRequest:   {10, 11},
	TypeIncomingCallReply:     {10, 11, 22, 23},
	TypeIncomingCallConnected: {10, 11, 14, 15},
	TypeCallClearRequest:      {10, 11, 14, 15},
	TypeCallDisconnectNotify:  {10, 11, 18, 19},
	TypeWANErrorNotify:        {10, 11, 14, 15},
	TypeSetLinkInfo:           {10, 11, 14, 15},
}

func TestCutVectors(t *testing.T) {
	for _, v := range vectors(t) {
		for n := range v.octets {
			m, err := Parse(v.octets[:n])
			var malformed *MalformedError
			if m != nil || !errors.As(err, &malformed) || malformed.Reason != WrongSize {
				t.Errorf("%s cut to %d octets: %+v, %v", v.Name, n, m, err)
			}
		}
		if m, err := Parse(append(v.octets, 0)); m != nil || err == nil {
			t.Errorf("%s with an octet more: %+v, %v", v.Name, m, err)
		}
	}
}

func TestMalformedHeaders(t *testing.T) {
	good := Append(nil, EchoRequest{Identifier: 1})
	for name, test := range map[string]struct {
		offset int
		octets []byte
		want   string
	}{
		"length 0":         {0, []byte{0, 0}, "malformed message: control length 0"},
		"length 11":        {0, []byte{0, 11}, "malformed message: control length 11"},
		"length too short": {0, []byte{0, 15}, "malformed message: control length 15 for Echo-Request"},
		"length too long":  {0, []byte{0, 17}, "malformed message: control length 17 for Echo-Request"},
		"management":       {2, []byte{0, 2}, "malformed message: message type 2"},
		"cookie":           {4, []byte{0x4d, 0x3c, 0x2b, 0x1a}, "malformed message: magic cookie 0x4d3c2b1a"},
		"unknown and long": {0, []byte{4, 1, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, 99}, "malformed message: control length 1025 for message type 99"},
	} {
		b := bytes.Clone(good)
		copy(b[test.offset:], test.octets)
		if m, err := Parse(b); m != nil || err == nil || err.Error() != test.want {
			t.Errorf("%s: Parse = %+v, %v, want %s", name, m, err, test.want)
		}
	}
}

func TestUnknownMessage(t *testing.T) {
	want := Unknown{MessageType: 16, Body: []byte{1, 2, 3}}
	m, err := Parse(Append(nil, want))
	if err != nil || !reflect.DeepEqual(m, want) {
		t.Errorf("Parse = %+v, %v, want %+v", m, err, want)
	}
}

func TestText(t *testing.T) {
	full := MakeText("0123456789012345678901234567890123456789012345678901234567890123456789")
	if got := full.Name(); len(got) != 64 || got[63] != '3' {
		t.Errorf("a name of 70 octets became %q", got)
	}
	if got := MakeText("a\x00b").Name(); got != "a" {
		t.Errorf("a name with a zero became %q", got)
	}
}

// Every code has words, and a number that has none is printed as such.
func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		Started.String():             "ok",
		VersionNotSupported.String(): "protocol version not supported",
		StartResult(0).String():      "code 0",
		StopLocalShutdown.String():   "it is shutting down",
		StopReason(4).String():       "code 4",
		Stopped.String():             "ok",
		EchoOK.String():              "ok",
		DoNotAccept.String():         "not accepted",
		IncomingDoNotAccept.String(): "not accepted",
		ClearRequested.String():      "as requested",
		PACError.String():            "PAC error",
		GeneralError(255).String():   "code 255",
		MessageType(16).String():     "message type 16",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

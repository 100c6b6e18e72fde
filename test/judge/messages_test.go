package judge_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sitebridge/control"
	"sitebridge/test/judge"
)

// TestControlMessages: Wireshark reads each of the 15 messages as we meant it.
func TestControlMessages(t *testing.T) {
	var statistics [128]byte
	copy(statistics[:], "stat")
	cases := []struct {
		message control.Message
		fields  string // name=value; numbers as tshark prints them
	}{
		{control.StartRequest{Version: 0x0100, Framing: 1, Bearer: 2, MaxChannels: 3, Firmware: 4, Host: control.MakeText("host"), Vendor: control.MakeText("vendor")},
			"protocol_version=256 framing_capabilities=1 bearer_capabilities=2 maximum_channels=3 firmware_revision=4 host_name=host vendor_name=vendor"},
		{control.StartReply{Version: 0x0100, Result: 5, Error: 6, Framing: 1, Bearer: 2, MaxChannels: 3, Firmware: 4, Host: control.MakeText("host"), Vendor: control.MakeText("vendor")},
			"protocol_version=256 control_result=5 error=6 framing_capabilities=1 bearer_capabilities=2 maximum_channels=3 firmware_revision=4 host_name=host vendor_name=vendor"},
		{control.StopRequest{Reason: 3}, "reason=3"},
		{control.StopReply{Result: 2, Error: 6}, "stop_result=2 error=6"},
		{control.EchoRequest{Identifier: 0x01020304}, "identifier=16909060"},
		{control.EchoReply{Identifier: 0x01020304, Result: 2, Error: 6}, "identifier=16909060 echo_result=2 error=6"},
		{control.OutgoingCallRequest{CallID: 1000, SerialNumber: 1001, MinimumBPS: 1002, MaximumBPS: 1003, BearerType: 1, FramingType: 2,
			WindowSize: 64, ProcessingDelay: 7, PhoneNumberLength: 5, PhoneNumber: control.MakeText("12345"), Subaddress: control.MakeText("sub")},
			"call_id=1000 call_serial_number=1001 minimum_bps=1002 maximum_bps=1003 bearer_type=1 framing_type=2 packet_receive_window_size=64 packet_processing_delay=7 phone_number_length=5 phone_number=12345 subaddress=sub"},
		{control.OutgoingCallReply{CallID: 1000, PeerCallID: 1001, Result: 7, Error: 6, CauseCode: 16, ConnectSpeed: 1002, WindowSize: 64, ProcessingDelay: 7, PhysicalChannelID: 1003},
			"call_id=1000 peer_call_id=1001 out_result=7 error=6 cause=16 connect_speed=1002 packet_receive_window_size=64 packet_processing_delay=7 physical_channel_id=1003"},
		{control.IncomingCallRequest{CallID: 1000, SerialNumber: 1001, BearerType: 2, PhysicalChannelID: 1003, DialedNumberLength: 5, DialingNumberLength: 3,
			DialedNumber: control.MakeText("12345"), DialingNumber: control.MakeText("678"), Subaddress: control.MakeText("sub")},
			"call_id=1000 call_serial_number=1001 bearer_type=2 physical_channel_id=1003 dialed_number_length=5 dialing_number_length=3 dialed_number=12345 dialing_number=678 subaddress=sub"},
		{control.IncomingCallReply{CallID: 1000, PeerCallID: 1001, Result: 3, Error: 6, WindowSize: 64, TransmitDelay: 7},
			"call_id=1000 peer_call_id=1001 in_result=3 error=6 packet_receive_window_size=64 packet_processing_delay=7"},
		{control.IncomingCallConnected{PeerCallID: 1001, ConnectSpeed: 1002, WindowSize: 64, TransmitDelay: 7, FramingType: 1},
			"peer_call_id=1001 connect_speed=1002 packet_receive_window_size=64 packet_processing_delay=7 framing_type=1"},
		{control.CallClearRequest{CallID: 1000}, "call_id=1000"},
		{control.CallDisconnectNotify{CallID: 1000, Result: 4, Error: 6, CauseCode: 16, Statistics: statistics},
			"call_id=1000 disc_result=4 error=6 cause=16 call_Statistics=stat"},
		{control.WANErrorNotify{PeerCallID: 1001, CRCErrors: 1, FramingErrors: 2, HardwareOverruns: 3, BufferOverruns: 4, TimeoutErrors: 5, AlignmentErrors: 6},
			"peer_call_id=1001 crc_errors=1 framing_errors=2 hardware_overruns=3 buffer_overruns=4 timeout_errors=5 alignment_errors=6"},
		{control.SetLinkInfo{PeerCallID: 1001, SendACCM: 0xFFFFFFFE, ReceiveACCM: 0x0F0F0F0F}, "peer_call_id=1001 send_accm=0xfffffffe receive_accm=0x0f0f0f0f"},
	}
	pcap := filepath.Join(t.TempDir(), "messages.pcap")
	stream := capture{seq: 1}
	for i, c := range cases {
		if c.message.Type() != control.MessageType(i+1) {
			t.Fatalf("case %d is a %v", i, c.message.Type())
		}
		stream.add(control.Append(nil, c.message))
	}
	if err := os.WriteFile(pcap, stream.bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	judge.Sound(t, pcap)

	names := []string{"control_message_type", "length", "type", "magic_cookie", "reserved"}
	for _, c := range cases {
		for _, f := range strings.Fields(c.fields) {
			name, _, _ := strings.Cut(f, "=")
			names = append(names, name)
		}
	}
	full := make([]string, len(names))
	for i, n := range names {
		full[i] = "pptp." + n
	}
	rows := judge.Fields(t, pcap, "pptp", full...)
	if len(rows) != len(cases) {
		t.Fatalf("tshark sees %d messages, want %d", len(rows), len(cases))
	}
	for i, row := range rows {
		got := make(map[string]string)
		for j, name := range names {
			got[name] = row[j]
		}
		c := cases[i]
		for _, f := range strings.Fields(c.fields) {
			if name, want, _ := strings.Cut(f, "="); got[name] != want {
				t.Errorf("%v: tshark reads %s as %q, want %q", c.message.Type(), name, got[name], want)
			}
		}
		if got["control_message_type"] != strconv.Itoa(i+1) || got["type"] != "1" || got["magic_cookie"] != "0x1a2b3c4d" || got["length"] != strconv.Itoa(len(control.Append(nil, c.message))) {
			t.Errorf("%v: header %v", c.message.Type(), row[:5])
		}
	}
}

// A capture is one direction of a control connection, in a file of raw IPv4
// packets (https://www.tcpdump.org/linktypes.html, LINKTYPE_RAW).
type capture struct {
	packets []byte
	seq     uint32
}

func (c *capture) bytes() []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = binary.LittleEndian.AppendUint16(b, 2)
	b = binary.LittleEndian.AppendUint16(b, 4)
	b = binary.LittleEndian.AppendUint64(b, 0)
	b = binary.LittleEndian.AppendUint32(b, 1<<16)
	b = binary.LittleEndian.AppendUint32(b, 101)
	return append(b, c.packets...)
}

// add adds a TCP segment to port 1723 that holds the octets given.
func (c *capture) add(data []byte) {
	const ip, tcp = 20, 20
	b := binary.BigEndian.AppendUint16([]byte{0x45, 0}, uint16(ip+tcp+len(data)))
	b = append(b, 0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2)
	b = binary.BigEndian.AppendUint16(b, 40000)
	b = binary.BigEndian.AppendUint16(b, 1723)
	b = binary.BigEndian.AppendUint32(b, c.seq)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = append(b, 5<<4, 0x18, 0xFF, 0xFF, 0, 0, 0, 0)
	b = append(b, data...)
	c.seq += uint32(len(data))
	for _, v := range []int{0, 0, len(b), len(b)} { // time and both lengths
		c.packets = binary.LittleEndian.AppendUint32(c.packets, uint32(v))
	}
	c.packets = append(c.packets, b...)
}

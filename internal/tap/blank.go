package tap

import "encoding/binary"

// What proves a peer never leaves a Tap. A password of PAP stands in clear in its
// packet (RFC 1334, section 2.2.1); an answer to a challenge of CHAP, MS-CHAP or
// EAP's MD5 and MS-CHAPv2 is as good as a password to somebody with time (MS-CHAPv2:
// one key of DES). Captures are sent to others to look at.

// Protocol numbers and codes of PPP.
const (
	protocolLCP  = 0xc021
	protocolPAP  = 0xc023
	protocolCHAP = 0xc223
	protocolEAP  = 0xc227

	codeProtocolReject = 8 // RFC 1661, section 5.7

	papRequest   = 1
	chapResponse = 2 // RFC 1994, section 4.1

	eapResponse = 2
	eapMD5      = 4  // RFC 3748, section 5.4
	eapOTP      = 5  // section 5.5: a password in clear
	eapGTC      = 6  // section 5.6: likewise
	eapMSCHAPv2 = 26 // with CHAP's codes in its data
)

// stands is what stands where a password was, whatever its length.
const stands = "[secret]"

// blanked returns a packet of a control protocol without what is secret in it: the
// packet itself, if there is nothing.
func blanked(protocol uint16, pkt []byte) []byte {
	switch protocol {
	case protocolLCP:
		return blankedReject(pkt)
	case protocolPAP:
		return blankedPAP(pkt)
	case protocolCHAP:
		return blankedCHAP(pkt, 0)
	case protocolEAP:
		return blankedEAP(pkt)
	}
	return pkt
}

// blankedReject takes care of a Protocol-Reject, which brings the packet back.
func blankedReject(pkt []byte) []byte {
	if len(pkt) < 6 || pkt[0] != codeProtocolReject {
		return pkt
	}
	protocol := binary.BigEndian.Uint16(pkt[4:])
	return measured(append(clone(pkt[:6]), blanked(protocol, pkt[6:])...))
}

// blankedPAP takes care of an Authenticate-Request: a name and a password, each with
// its length in front.
func blankedPAP(pkt []byte) []byte {
	if len(pkt) == 0 || pkt[0] != papRequest {
		return pkt
	}
	if len(pkt) < 5 {
		return pkt[:1]
	}
	end := 5 + int(pkt[4]) // of the name
	if end >= len(pkt) {   // where the password begins cannot be told
		return measured(clone(pkt[:4]))
	}
	out := append(clone(pkt[:end]), byte(len(stands)))
	return measured(append(out, stands...))
}

// measured puts the length of a packet of a control protocol right.
func measured(pkt []byte) []byte {
	if len(pkt) >= 4 {
		binary.BigEndian.PutUint16(pkt[2:], uint16(len(pkt)))
	}
	return pkt
}

// blankedCHAP takes care of a Response, which begins at an octet of pkt: its value is
// blanked, the name behind it is not.
func blankedCHAP(pkt []byte, at int) []byte {
	if len(pkt) <= at || pkt[at] != chapResponse {
		return pkt
	}
	out, value := clone(pkt), at+5
	if len(out) <= value {
		return out
	}
	clear(out[value:min(len(out), value+int(out[at+4]))])
	return out
}

func blankedEAP(pkt []byte) []byte {
	if len(pkt) < 5 || pkt[0] != eapResponse {
		return pkt
	}
	switch pkt[4] {
	case eapMSCHAPv2:
		return blankedCHAP(pkt, 5)
	case eapMD5, eapOTP, eapGTC:
		out := clone(pkt)
		clear(out[min(len(out), valueOf(pkt[4])):])
		return out
	}
	return pkt
}

// valueOf is where the answer begins: MD5's has its length in front.
func valueOf(kind byte) int {
	if kind == eapMD5 {
		return 6
	}
	return 5
}

// blankedFrame appends a PPP frame as GRE carries it to the GRE header in b. Both
// compressions of the frame's header are understood (RFC 1661, sections 6.5 and 6.6);
// no protocol that is blanked has a compressed number.
func blankedFrame(b, frame []byte) []byte {
	header, rest := 0, frame
	if len(rest) >= 2 && rest[0] == 0xff && rest[1] == 0x03 {
		header, rest = 2, rest[2:]
	}
	if len(rest) < 2 || rest[0]&1 == 1 {
		return append(b, frame...)
	}
	b = append(b, frame[:header+2]...)
	clean := blanked(binary.BigEndian.Uint16(rest), rest[2:])
	if len(clean) != len(rest)-2 && len(b) >= 6 {
		binary.BigEndian.PutUint16(b[4:], uint16(header+2+len(clean))) // GRE's Payload Length
	}
	return append(b, clean...)
}

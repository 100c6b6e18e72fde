package trace

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// An option of a Configure packet: its name, and how its value is shown. A nil value is
// none; what does not fit is shown in hexadecimal.
type option struct {
	name  string
	value func(data []byte) (string, bool)
}

// lcpOptions: RFC 1661, section 6, and the assigned numbers of PPP for the rest.
var lcpOptions = map[byte]option{
	1:  {"MRU", decimal},
	2:  {"ACCM", word},
	3:  {"auth", authentication},
	4:  {"quality", nil},
	5:  {"magic", word},
	7:  {"PFC", nil},
	8:  {"ACFC", nil},
	13: {"callback", nil},
	17: {"MRRU", decimal},
	18: {"short sequence numbers", nil},
	19: {"endpoint discriminator", nil},
	23: {"BAP link discriminator", decimal},
}

// ipcpOptions: RFC 1332, section 3; RFC 1877, section 1.
var ipcpOptions = map[byte]option{
	1:   {"IP addresses (old)", nil},
	2:   {"compression", compression},
	3:   {"address", address},
	4:   {"mobile address", address},
	129: {"DNS", address},
	130: {"NBNS", address},
	131: {"DNS 2", address},
	132: {"NBNS 2", address},
}

// ipv6cpOptions: RFC 5072, section 4.
var ipv6cpOptions = map[byte]option{
	1: {"interface identifier", nil},
	2: {"compression", compression},
}

// ipxcpOptions: RFC 1552, section 3.
var ipxcpOptions = map[byte]option{
	1: {"network", network},
	2: {"node", nil},
	3: {"compression", compression},
	4: {"routing", routing},
	5: {"router name", quoted},
	6: {"complete", nil},
}

// ccpOptions: RFC 1962, section 4; RFC 3078, section 2.1 for MPPE.
var ccpOptions = map[byte]option{
	0:  {"OUI", nil},
	1:  {"Predictor 1", nil},
	2:  {"Predictor 2", nil},
	17: {"Stac LZS", nil},
	18: {"MPPE", mppe},
	21: {"BSD compress", nil},
	24: {"Deflate", nil},
	26: {"Deflate (old)", nil},
}

// ecpOptions: RFC 1968, section 4. Ours stands under the first.
var ecpOptions = map[byte]option{
	0: {"OUI", vendor},
	1: {"DES", nil},
	2: {"3DES", nil},
	3: {"DES 2", nil},
}

func decimal(d []byte) (string, bool) {
	if len(d) != 2 {
		return "", false
	}
	return fmt.Sprint(binary.BigEndian.Uint16(d)), true
}

func word(d []byte) (string, bool) { return fmt.Sprintf("%x", d), len(d) == 4 }

func address(d []byte) (string, bool) {
	a, ok := netip.AddrFromSlice(d)
	return a.String(), ok && a.Is4()
}

// network is an IPX network number as everywhere: upper-case.
func network(d []byte) (string, bool) { return fmt.Sprintf("%X", d), len(d) == 4 }

func quoted(d []byte) (string, bool) { return text(d), len(d) > 0 }

// authentication is the method that the sender wants the other end to prove itself by
// (RFC 1661, section 6.2).
func authentication(d []byte) (string, bool) {
	if len(d) < 2 {
		return "", false
	}
	switch p := binary.BigEndian.Uint16(d); {
	case p == 0xc223 && len(d) == 3:
		name, ok := map[byte]string{5: "CHAP (MD5)", 0x80: "MS-CHAP", 0x81: "MS-CHAPv2"}[d[2]]
		if !ok {
			return fmt.Sprintf("CHAP, algorithm %d", d[2]), true
		}
		return name, true
	case len(d) == 2 && proofs[p] != "":
		return proofs[p], true
	}
	return "", false
}

// proofs are the protocols that authentication names without more.
var proofs = map[uint16]string{0xc023: "PAP", 0xc227: "EAP", 0xc025: "link quality report"}

// compression begins with the protocol that is compressed so.
func compression(d []byte) (string, bool) {
	if len(d) < 2 {
		return "", false
	}
	name, ok := map[uint16]string{0x002d: "Van Jacobson", 0x0002: "Telebit CIPX", 0x0235: "Shiva CIPX", 0x0003: "ROHC", 0x0061: "IPHC"}[binary.BigEndian.Uint16(d)]
	if !ok {
		return "", false
	}
	return strings.TrimSpace(name + " " + hexed(d[2:])), true
}

// routing is RFC 1552, section 3.4.
func routing(d []byte) (string, bool) {
	if len(d) < 2 {
		return "", false
	}
	name, ok := map[uint16]string{0: "none", 2: "RIP/SAP", 4: "NLSP", 5: "Novell demand RIP/SAP", 6: "Novell demand SAP"}[binary.BigEndian.Uint16(d)]
	return name, ok && len(d) == 2
}

// mppe is what its sender is able to decrypt (RFC 3078, section 2.1).
func mppe(d []byte) (string, bool) {
	if len(d) != 4 {
		return "", false
	}
	bits := binary.BigEndian.Uint32(d)
	var words []string
	for _, b := range []struct {
		bit  uint32
		word string
	}{{0x40, "128"}, {0x80, "56"}, {0x20, "40"}, {0x10, "obsolete"}, {0x01, "MPPC"}} {
		if bits&b.bit != 0 {
			words = append(words, b.word)
		}
	}
	if bits&0x01000000 != 0 {
		words = append(words, "stateless")
	}
	if words == nil {
		return "none", true
	}
	return strings.Join(words, " "), true
}

// vendor is an organisation's own option. Ours is that of docs/aead.md, section 2: OUI,
// subtype, 16 octets of identifier, cipher and salt.
func vendor(d []byte) (string, bool) {
	if len(d) < 3 {
		return "", false
	}
	if len(d) == 53 && [4]byte(d) == [4]byte{0x02, 0x53, 0x42, 0x01} {
		return "aead: " + named([]string{1: "AES-256-GCM", "ChaCha20-Poly1305"}, int(d[20]), "cipher"), true
	}
	return fmt.Sprintf("%x: %s", d[:3], hexed(d[3:])), true
}

// Package sap knows the messages of NetWare's Service Advertising Protocol on
// socket 0452: servers tell of their services, clients ask for them, and a
// client that starts asks for the nearest one (Get Nearest Server). What is
// learned from messages, and when they are sent, is left to others.
package sap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sitebridge/ipx"
)

const (
	// MaxServices is how many services a message may carry: 480 octets of IPX.
	// Old shells overrun their buffer beyond that.
	MaxServices = 7
	// MaxName is the length of the longest name, in octets.
	MaxName = nameLen - 1
	// Infinity is the hop count of a service that is no more.
	Infinity = 16

	operationLen = 2
	requestLen   = operationLen + 2
	serviceLen   = 64
	nameLen      = 48
)

// An Operation says whether a message asks or tells, and of how many services.
type Operation uint16

const (
	OpRequest         Operation = 1 // all services of a type
	OpResponse        Operation = 2
	OpNearestRequest  Operation = 3 // Get Nearest Server
	OpNearestResponse Operation = 4 // exactly one service
)

// String returns the operation in words.
func (o Operation) String() string {
	switch o {
	case OpRequest:
		return "request"
	case OpResponse:
		return "response"
	case OpNearestRequest:
		return "nearest request"
	case OpNearestResponse:
		return "nearest response"
	}
	return fmt.Sprintf("operation(%d)", uint16(o))
}

// A ServiceType says what a service does.
type ServiceType uint16

const (
	FileServer ServiceType = 0x0004
	Directory  ServiceType = 0x0278 // an NDS tree
	AnyType    ServiceType = 0xFFFF // in a request: all of them
)

// ParseServiceType reads one to four hexadecimal digits.
func ParseServiceType(s string) (ServiceType, error) {
	n, err := strconv.ParseUint(s, 16, 16)
	if err != nil || strings.ContainsAny(s, "+_") || len(s) > 4 {
		return 0, fmt.Errorf(`%q is not a service type: want one to four hexadecimal digits, such as "0004"`, s)
	}
	return ServiceType(n), nil
}

// String returns four upper-case hexadecimal digits.
func (t ServiceType) String() string { return fmt.Sprintf("%04X", uint16(t)) }

// MarshalText is String, for JSON.
func (t ServiceType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText is ParseServiceType.
func (t *ServiceType) UnmarshalText(text []byte) (err error) {
	*t, err = ParseServiceType(string(text))
	return err
}

// A Service is something that a server offers, known by its type and name.
type Service struct {
	Type ServiceType
	// Name is at most MaxName octets, none of them NUL. A peer may put any other
	// octet there: show it by Printable.
	Name string
	Addr ipx.Addr
	Hops uint16 // routers on the way, Infinity when the service is no more
}

// Printable returns a name in a form that harms no terminal and survives JSON:
// letters and signs as they are, any other octet as \xNN, a backslash doubled.
func Printable(name string) string {
	quoted := strconv.Quote(name)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// Matches reports whether a request for the type want is also for s.
func (s Service) Matches(want ServiceType) bool { return want == AnyType || want == s.Type }

// A Message is the payload of one SAP packet. A request has a Type, a response
// has Services.
type Message struct {
	Operation Operation
	Type      ServiceType
	Services  []Service
}

var (
	// ErrShort is a payload that ends before its message does.
	ErrShort = errors.New("sap: message ends early")
	// ErrOperation is a message of an operation that we do not know, to be passed
	// over.
	ErrOperation = errors.New("sap: unknown operation")
)

// Parse reads the payload of an IPX packet, cut to the length in the IPX
// header. A response has as many services as fit, also more than MaxServices,
// and a remainder is passed over, as is what follows the type in a request.
func Parse(b []byte) (Message, error) {
	if len(b) < operationLen {
		return Message{}, ErrShort
	}
	m := Message{Operation: Operation(binary.BigEndian.Uint16(b))}
	switch m.Operation {
	case OpRequest, OpNearestRequest:
		if len(b) < requestLen {
			return Message{}, ErrShort
		}
		m.Type = ServiceType(binary.BigEndian.Uint16(b[operationLen:]))
	case OpResponse, OpNearestResponse:
		for b = b[operationLen:]; len(b) >= serviceLen; b = b[serviceLen:] {
			m.Services = append(m.Services, parseService(b))
		}
	default:
		return Message{}, ErrOperation
	}
	return m, nil
}

// Append appends the message to b. Whoever sends it keeps to MaxServices:
// slices.Chunk cuts a table into messages.
func (m Message) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(m.Operation))
	switch m.Operation {
	case OpRequest, OpNearestRequest:
		return binary.BigEndian.AppendUint16(b, uint16(m.Type))
	}
	for _, s := range m.Services {
		b = s.append(b)
	}
	return b
}

// parseService reads the first serviceLen octets of b.
func parseService(b []byte) Service {
	return Service{
		Type: ServiceType(binary.BigEndian.Uint16(b)),
		Name: parseName(b[2 : 2+nameLen]),
		Addr: ipx.Addr{
			Network: ipx.Network(binary.BigEndian.Uint32(b[50:])),
			Node:    ipx.Node(b[54:60]),
			Socket:  ipx.Socket(binary.BigEndian.Uint16(b[60:])),
		},
		Hops: binary.BigEndian.Uint16(b[62:]),
	}
}

// parseName returns what stands before the first NUL: some servers leave old
// data behind it, and two such entries are one service.
func parseName(b []byte) string {
	name, _, _ := strings.Cut(string(b[:MaxName]), "\x00")
	return name
}

func (s Service) append(b []byte) []byte {
	var name [nameLen]byte
	copy(name[:MaxName], s.Name)
	b = binary.BigEndian.AppendUint16(b, uint16(s.Type))
	b = append(b, name[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(s.Addr.Network))
	b = append(b, s.Addr.Node[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(s.Addr.Socket))
	return binary.BigEndian.AppendUint16(b, s.Hops)
}

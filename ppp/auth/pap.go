package auth

// Codes of PAP packets (RFC 1334, section 2.2).
const (
	papRequest = 1
	papAck     = 2
	papNak     = 3
)

// A papCredentials is the body of an Authenticate-Request (RFC 1334, section
// 2.2.1): two texts, each behind an octet with its length.
type papCredentials struct {
	name, password []byte
}

// parsePAPCredentials splits data; both texts alias it.
func parsePAPCredentials(data []byte) (c papCredentials, ok bool) {
	name, rest, ok := cutSized(data)
	if !ok {
		return papCredentials{}, false
	}
	password, _, ok := cutSized(rest)
	return papCredentials{name, password}, ok
}

// cutSized splits b after the text whose length its first octet tells.
func cutSized(b []byte) (text, rest []byte, ok bool) {
	if len(b) < 1 || int(b[0]) > len(b)-1 {
		return nil, nil, false
	}
	n := 1 + int(b[0])
	return b[1:n], b[n:], true
}

func appendSized(b, text []byte) []byte {
	return append(append(b, byte(len(text))), text...)
}

const maxSized = 255 // octets of a name or password

func (c papCredentials) encode() []byte {
	return appendSized(appendSized(nil, c.name), c.password)
}

// parsePAPMessage reads the body of an Ack or Nak (RFC 1334, section 2.2.2).
// Some peers leave the length out when there is no message.
func parsePAPMessage(data []byte) (message []byte, ok bool) {
	if len(data) == 0 {
		return nil, true
	}
	message, _, ok = cutSized(data)
	return message, ok
}

package control

import (
	"errors"
	"io"
)

// A stream cuts what TCP delivers, which has no borders, into messages by their
// Length. A header is judged as soon as it is whole, so a message that does not
// fit its type is refused before its body has come.
type stream struct {
	r          io.Reader
	buf        []byte // grows with what it must hold, maxUnknownLen and moreStream at most
	start, end int    // the octets of buf that were read and not yet used
}

// moreStream is by how many octets a stream grows. No message that we know has more than
// half of that.
const moreStream = 512

// next returns the next message. The error is a *MalformedError, or the reader's:
// io.EOF between two messages, io.ErrUnexpectedEOF inside one.
func (s *stream) next() (Message, error) {
	for {
		have := s.buf[s.start:s.end]
		n, err := messageLen(have)
		if err != nil {
			return nil, err
		}
		if n > 0 && n <= len(have) {
			s.start += n
			return parseWhole(have[:n]), nil
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads once. What is left of the last message moves to the front; where a message
// is longer than what there is, the stream grows, to the longest that messageLen lets pass.
func (s *stream) fill() error {
	s.end = copy(s.buf, s.buf[s.start:s.end])
	s.start = 0
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, moreStream)...)
	}
	n, err := s.r.Read(s.buf[s.end:])
	s.end += n
	switch {
	case n > 0:
		return nil // an error with it will come again
	case errors.Is(err, io.EOF) && s.end > 0:
		return io.ErrUnexpectedEOF
	}
	return err
}

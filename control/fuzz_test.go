package control

import (
	"bytes"
	"errors"
	"io"
	"net"
	"reflect"
	"testing"
	"testing/iotest"
)

// What parses comes back octet for octet, but for the reserved fields, which
// come back as zeros; what does not is a *MalformedError.
func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.octets)
	}
	f.Add([]byte{})
	f.Add(Append(nil, Unknown{MessageType: 99, Body: []byte("body")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			if malformed := (*MalformedError)(nil); !errors.As(err, &malformed) || m != nil {
				t.Fatalf("Parse = %+v, %v", m, err)
			}
			return
		}
		want := bytes.Clone(b)
		for _, r := range append(reserved[m.Type()], 10, 11) {
			want[r] = 0
		}
		if got := Append(nil, m); !bytes.Equal(got, want) {
			t.Errorf("% x came back as % x", b, got)
		}
	})
}

// However TCP cuts it, a stream is the same messages with the same end.
func FuzzStream(f *testing.F) {
	var all []byte
	for _, v := range vectors(f) {
		f.Add(v.octets)
		all = append(all, v.octets...)
	}
	f.Add(all)
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, wholeEnd := readAll(bytes.NewReader(b))
		for name, r := range map[string]io.Reader{
			"one octet at a time": iotest.OneByteReader(bytes.NewReader(b)),
			"in halves":           iotest.HalfReader(bytes.NewReader(b)),
			"end with the data":   iotest.DataErrReader(bytes.NewReader(b)),
		} {
			got, end := readAll(r)
			if !reflect.DeepEqual(got, whole) || end.Error() != wholeEnd.Error() {
				t.Errorf("%s: %+v, %v\nwhole: %+v, %v", name, got, end, whole, wholeEnd)
			}
		}
	})
}

func readAll(r io.Reader) (messages []Message, end error) {
	in := stream{r: r}
	for {
		m, err := in.next()
		if err != nil {
			return messages, err
		}
		messages = append(messages, m)
	}
}

// Whatever a peer sends, on a connection that has begun in order, what it gets
// back is whole messages, and the connection ends when TCP does.
func FuzzServe(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.octets)
	}
	f.Add(Append(Append(nil, OutgoingCallRequest{CallID: 5}), CallClearRequest{CallID: 5}))
	f.Fuzz(func(t *testing.T, b []byte) {
		bubble(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			result := make(chan error, 1)
			id := uint16(0)
			cfg := Config{Answer: func(o *Offer) {
				id++
				o.Accept(id, 64)
			}}
			go func() { result <- Serve(t.Context(), ours, cfg) }()
			back := make(chan error, 1)
			go func() {
				in := stream{r: theirs}
				for {
					if _, err := in.next(); err != nil {
						back <- err
						return
					}
				}
			}()
			theirs.Write(append(Append(nil, okRequest), b...))
			theirs.Close()
			if err := <-result; err == nil {
				t.Error("Serve returned nil although nobody asked it to stop")
			}
			if err := <-back; !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("what came back ended with %v", err)
			}
		})
	})
}

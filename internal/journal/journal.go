// Package journal is a slog.Handler that speaks the native protocol of systemd's journal:
// a datagram for each record, with its attributes as fields
// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL).
package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
)

// Socket is where the journal listens.
const Socket = "/run/systemd/journal/socket"

const (
	// maxField is how long the value of a field may be: a datagram must fit the
	// socket's buffer.
	maxField = 16 << 10
	maxName  = 64 // of a field
)

// A Handler sends records to the journal. Where that takes none, they go elsewhere.
type Handler struct {
	conn   io.Writer
	level  slog.Leveler
	ident  string
	fields []field // of WithAttrs
	prefix string  // of WithGroup: "group_"
	// text makes the message for who reads only that: with the attributes in it, and
	// without time and level, which the journal has.
	text func(w io.Writer) slog.Handler
	// elsewhere gets what the journal does not take.
	elsewhere slog.Handler
}

type field struct{ name, value string }

// New connects to the journal at path. Ident is the program's name; elsewhere gets
// records that the journal does not take.
func New(path, ident string, level slog.Leveler, elsewhere slog.Handler) (*Handler, error) {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("reach the journal: %w: does systemd run here?", err)
	}
	return &Handler{conn: conn, level: level, ident: ident, elsewhere: elsewhere, text: func(w io.Writer) slog.Handler {
		return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutHead})
	}}, nil
}

// withoutHead drops what the journal shows itself.
func withoutHead(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}

// Enabled reports whether records of a level are sent.
func (h *Handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle sends a record.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	put(b, "PRIORITY", priority(r.Level))
	put(b, "SYSLOG_IDENTIFIER", h.ident)
	put(b, "MESSAGE", h.message(ctx, r))
	for _, f := range h.fields {
		put(b, f.name, f.value)
	}
	r.Attrs(func(a slog.Attr) bool {
		for _, f := range flat(h.prefix, a) {
			put(b, f.name, f.value)
		}
		return true
	})
	if _, err := h.conn.Write(b.Bytes()); err != nil {
		return h.elsewhere.Handle(ctx, r)
	}
	return nil
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// message is the record's text with its attributes.
func (h *Handler) message(ctx context.Context, r slog.Record) string {
	var b bytes.Buffer
	h.text(&b).Handle(ctx, r) // into memory
	return strings.TrimSpace(r.Message + " " + b.String())
}

// WithAttrs returns a Handler whose records have the attributes, too.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.fields = append([]field(nil), h.fields...)
	for _, a := range attrs {
		c.fields = append(c.fields, flat(h.prefix, a)...)
	}
	c.text = func(w io.Writer) slog.Handler { return h.text(w).WithAttrs(attrs) }
	c.elsewhere = h.elsewhere.WithAttrs(attrs)
	return &c
}

// WithGroup returns a Handler that puts a name in front of those of attributes.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.prefix += name + "_"
	c.text = func(w io.Writer) slog.Handler { return h.text(w).WithGroup(name) }
	c.elsewhere = h.elsewhere.WithGroup(name)
	return &c
}

// flat makes fields of an attribute: of a group, one for each of its own.
func flat(prefix string, a slog.Attr) []field {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		return []field{{fieldName(prefix + a.Key), v.String()}}
	}
	if a.Key != "" {
		prefix += a.Key + "_"
	}
	var all []field
	for _, inner := range v.Group() {
		all = append(all, flat(prefix, inner)...)
	}
	return all
}

// fieldName makes a name that the journal takes: capital letters, digits and underscores,
// and no underscore at the start, which would mean a field that the journal vouches for.
func fieldName(key string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, key)
	name = strings.TrimLeft(name, "_0123456789")
	switch name {
	case "": // nothing of it can be a name
		return "ATTRIBUTE"
	case "MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER": // ours mean something else
		name = "ATTRIBUTE_" + name
	}
	return name[:min(len(name), maxName)]
}

// priority is that of syslog (RFC 5424, section 6.2.1).
func priority(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "3"
	case l >= slog.LevelWarn:
		return "4"
	case l >= slog.LevelInfo:
		return "6"
	}
	return "7"
}

// put writes a field. A value with a line feed has its length in front, so that nothing
// in it can be taken for another field.
func put(b *bytes.Buffer, name, value string) {
	if len(value) > maxField {
		value = value[:maxField] + "... (" + strconv.Itoa(len(value)) + " octets)"
	}
	b.WriteString(name)
	if strings.ContainsRune(value, '\n') {
		b.WriteByte('\n')
		b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(value))))
	} else {
		b.WriteByte('=')
	}
	b.WriteString(value)
	b.WriteByte('\n')
}

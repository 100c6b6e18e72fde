package journal

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// listen is a journal, and a Handler that speaks to it.
func listen(t *testing.T, elsewhere *bytes.Buffer) (*net.UnixConn, *Handler) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	h, err := New(path, "sitebridge", slog.LevelInfo, slog.NewTextHandler(elsewhere, nil))
	if err != nil {
		t.Fatal(err)
	}
	return l, h
}

// received reads one record as the journal does.
func received(t *testing.T, l *net.UnixConn) map[string]string {
	t.Helper()
	b := make([]byte, 1<<20)
	n, err := l.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, b[:n])
}

func parse(t *testing.T, b []byte) map[string]string {
	t.Helper()
	fields := map[string]string{}
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			t.Fatalf("no end in %q", b)
		}
		name, value, ok := strings.Cut(string(b[:end]), "=")
		b = b[end+1:]
		if !ok {
			n := binary.LittleEndian.Uint64(b)
			value, b = string(b[8:8+n]), b[8+n+1:]
		}
		fields[name] = value
	}
	return fields
}

func TestRecord(t *testing.T) {
	var elsewhere bytes.Buffer
	l, h := listen(t, &elsewhere)
	log := slog.New(h).With("site", "b").WithGroup("link")
	log.Debug("nobody reads this")
	log.Warn("site down", "reason", "peer said \"no\"\nPRIORITY=0", "call-id", 7, slog.Group("gre", "lost", 3))
	got := received(t, l)
	for name, want := range map[string]string{
		"PRIORITY": "4", "SYSLOG_IDENTIFIER": "sitebridge", "SITE": "b", "LINK_REASON": "peer said \"no\"\nPRIORITY=0", "LINK_CALL_ID": "7", "LINK_GRE_LOST": "3",
		"MESSAGE": `site down site=b link.reason="peer said \"no\"\nPRIORITY=0" link.call-id=7 link.gre.lost=3`,
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if len(got) != 7 || elsewhere.Len() > 0 {
		t.Errorf("fields %q, and elsewhere %q", got, elsewhere.String())
	}
}

func TestPriorities(t *testing.T) {
	for l, want := range map[slog.Level]string{slog.LevelDebug: "7", slog.LevelInfo: "6", slog.LevelWarn: "4", slog.LevelError: "3", slog.LevelError + 4: "3"} {
		if got := priority(l); got != want {
			t.Errorf("%v is %s, want %s", l, got, want)
		}
	}
}

func TestFieldNames(t *testing.T) {
	for key, want := range map[string]string{
		"site": "SITE", "call-id": "CALL_ID", "_pid": "PID", "8021x": "X", "ü": "ATTRIBUTE", "": "ATTRIBUTE", "message": "ATTRIBUTE_MESSAGE",
		strings.Repeat("long", 40): strings.Repeat("LONG", 16),
	} {
		if got := fieldName(key); got != want {
			t.Errorf("%q is %q, want %q", key, got, want)
		}
	}
}

// What the journal does not take is not lost.
func TestElsewhere(t *testing.T) {
	var elsewhere bytes.Buffer
	l, h := listen(t, &elsewhere)
	l.Close()
	slog.New(h).With("site", "b").Info("site up")
	if !strings.Contains(elsewhere.String(), `msg="site up" site=b`) {
		t.Errorf("elsewhere: %q", elsewhere.String())
	}
	if _, err := New(filepath.Join(t.TempDir(), "none"), "x", slog.LevelInfo, nil); err == nil || !strings.Contains(err.Error(), "does systemd run here?") {
		t.Errorf("no journal: %v", err)
	}
}

// Whatever a peer makes us log, it is one value of one field.
func FuzzPut(f *testing.F) {
	f.Add("one\nMESSAGE=two")
	f.Fuzz(func(t *testing.T, value string) {
		var b bytes.Buffer
		put(&b, "REASON", value)
		put(&b, "SITE", "b")
		if got := parse(t, b.Bytes()); len(got) != 2 || got["SITE"] != "b" || len(value) <= maxField && got["REASON"] != value {
			t.Errorf("%q became %q", value, got)
		}
	})
}

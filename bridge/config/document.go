package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// A document is one file of TOML, decoded and not yet checked.
type document struct {
	path   string // as given: it stands in every fault
	values map[string]any
	raw    map[string]toml.Primitive            // the same, to find lines with
	tables map[string]map[string]toml.Primitive // those looked into
	md     toml.MetaData
	faults *Faults
}

// maxFile is more than a thousand sites need, or a revocation list of thousands.
const maxFile = 4 << 20

// readDocument reads and decodes the file at path. What cannot be read or
// decoded is a fault, and the document then empty.
func readDocument(path string, faults *Faults) *document {
	d := &document{path: path, faults: faults}
	text, err := readText(path)
	if err != nil {
		d.whole().fault(words(err), unreadable(err))
		return d
	}
	d.decode(text)
	return d
}

// unreadable says what to do about a file that cannot be read.
func unreadable(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "write it (sites.toml.example shows every key), or name another with --config"
	case errors.Is(err, fs.ErrPermission):
		return "chown it to the user that this runs as, or run this as the user that owns it"
	}
	return "name a file that can be read"
}

func readText(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return "", err
	case len(b) > maxFile:
		return "", fmt.Errorf("longer than %d octets", maxFile)
	}
	return string(bytes.TrimPrefix(b, []byte("\ufeff"))), nil
}

// words leaves the path out of an error of the os package: the fault names it.
func words(err error) string {
	if pathErr, ok := errors.AsType[*os.PathError](err); ok {
		return pathErr.Err.Error()
	}
	return err.Error()
}

func (d *document) decode(text string) {
	if _, err := toml.Decode(text, &d.values); err != nil {
		d.values = nil
		f := Fault{File: d.path, Reason: printable(err.Error()), Fix: "correct this first; the rest of the file was not looked at"}
		if p, ok := errors.AsType[toml.ParseError](err); ok {
			f.Line, f.Key = p.Position.Line, printable(p.LastKey)
			f.Reason = printable(strings.TrimSuffix(p.Message, "."))
		}
		d.faults.add(f)
		return
	}
	d.md, _ = toml.Decode(text, &d.raw) // decodes what did before
	d.tables = map[string]map[string]toml.Primitive{}
}

// table returns the whole document as a table.
func (d *document) table() *table {
	return &table{place: d.whole(), values: d.values, present: true, known: map[string]bool{}}
}

// beside resolves a path of the file relative to the file.
func (d *document) beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(d.path), path)
}

// A place is where a key stands, or would stand.
type place struct {
	doc *document
	key toml.Key
}

func (d *document) whole() place { return place{doc: d} }

// below returns the place of keys inside the table at p.
func (p place) below(keys ...string) place {
	return place{p.doc, append(p.key[:len(p.key):len(p.key)], keys...)}
}

func (p place) String() string { return p.key.String() }

// fault reports what is wrong there, and what to write instead.
func (p place) fault(reason, fix string) {
	p.doc.faults.add(Fault{p.doc.path, p.line(), p.key.String(), reason, fix})
}

// wrong reports the mistake in the value there.
func (p place) wrong(m *mistake) { p.fault(m.reason, m.fix) }

// line finds the line of the key, or else of the table that it would be in. A
// table that has no line of its own, as site of [site.b1], has that of its first
// key.
func (p place) line() int {
	for key := p.key; len(key) > 0; key = key[:len(key)-1] {
		if line := cmp.Or(p.doc.lineOf(key), p.doc.firstBelow(key)); line > 0 {
			return line
		}
	}
	return 0
}

// firstBelow returns the line of the first key inside a table.
func (d *document) firstBelow(table toml.Key) int {
	for _, key := range d.md.Keys() {
		if len(key) > len(table) && slices.Equal(key[:len(table)], table) {
			if line := d.lineOf(key); line > 0 {
				return line
			}
		}
	}
	return 0
}

// lineOf returns the line of the very key; 0: it has none. Only errors of the
// decoder tell where a key stands, so it is had to refuse the value.
func (d *document) lineOf(key toml.Key) int {
	value, ok := d.keysOf(key[:len(key)-1])[key[len(key)-1]]
	if !ok {
		return 0
	}
	p, _ := errors.AsType[toml.ParseError](d.md.PrimitiveDecode(value, new(refusal)))
	return p.Position.Line
}

// keysOf returns the keys of a table; none when it is not one, or not there.
func (d *document) keysOf(table toml.Key) map[string]toml.Primitive {
	if len(table) == 0 {
		return d.raw
	}
	name := table.String()
	if keys, ok := d.tables[name]; ok {
		return keys
	}
	var keys map[string]toml.Primitive
	if value, ok := d.keysOf(table[:len(table)-1])[table[len(table)-1]]; ok {
		_ = d.md.PrimitiveDecode(value, &keys) // what is no table has no keys
	}
	d.tables[name] = keys
	return keys
}

type refusal struct{}

func (*refusal) UnmarshalTOML(any) error { return errors.New("refused") }

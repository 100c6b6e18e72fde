package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
)

// A document is one file of TOML, decoded and not yet checked.
type document struct {
	path   string // as given: it stands in every fault
	values map[string]any
	raw    map[string]toml.Primitive // the same, to find lines with
	md     toml.MetaData
	faults *Faults
}

// maxFile is more than a thousand sites need.
const maxFile = 4 << 20

// readDocument reads and decodes the file at path. What cannot be read or
// decoded is a fault, and the document then empty.
func readDocument(path string, faults *Faults) *document {
	d := &document{path: path, faults: faults}
	text, err := readText(path)
	if err != nil {
		d.whole().fault(words(err), "name a file that can be read")
		return d
	}
	d.decode(text)
	return d
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
	line, tables := 0, p.doc.raw
	for _, k := range p.key {
		value, ok := tables[k]
		if !ok {
			return line
		}
		line = cmp.Or(p.doc.lineOf(value), line)
		tables = p.doc.below(value)
		if line == 0 {
			line = p.doc.firstLine(tables)
		}
	}
	return line
}

// firstLine finds the first line of the keys of a table.
func (d *document) firstLine(tables map[string]toml.Primitive) (first int) {
	for _, value := range tables {
		line := d.lineOf(value)
		if line == 0 {
			line = d.firstLine(d.below(value))
		}
		if first == 0 || line < first {
			first = line
		}
	}
	return first
}

// below returns the keys of a table; none when value is not one.
func (d *document) below(value toml.Primitive) map[string]toml.Primitive {
	var tables map[string]toml.Primitive
	if d.md.PrimitiveDecode(value, &tables) != nil {
		return nil
	}
	return tables
}

// lineOf has the decoder refuse value: its error is the only thing that tells
// where a key stands.
func (d *document) lineOf(value toml.Primitive) int {
	p, _ := errors.AsType[toml.ParseError](d.md.PrimitiveDecode(value, new(refusal)))
	return p.Position.Line
}

type refusal struct{}

func (*refusal) UnmarshalTOML(any) error { return errors.New("refused") }

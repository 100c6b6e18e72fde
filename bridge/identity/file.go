package identity

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// maxFile is more than a thousand certificates, or a hundred thousand entries of
// a revocation list, need.
const maxFile = 4 << 20

// KeyPath is where the key of the certificate at path is looked for, unless
// somebody says otherwise: beside it, with .key for its extension.
func KeyPath(path string) string { return strings.TrimSuffix(path, filepath.Ext(path)) + ".key" }

// ReadCertificates reads the certificates at path.
func ReadCertificates(path string) ([]*x509.Certificate, error) {
	b, err := read(path, nil)
	if err != nil {
		return nil, err
	}
	certs, err := ParseCertificates(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return certs, nil
}

// ReadLists reads the revocation lists at path.
func ReadLists(path string) ([]*x509.RevocationList, error) { return readLists(path, nil) }

// LoadLists is ReadLists for who lets somebody in by them. The file must be ours or
// root's, nobody else may change it, and no link may lead to it: nobody can forge a
// list, but who puts back an older one lets those in who were revoked since. Where
// the other steps of the path lead is not looked at for each handshake.
func LoadLists(path string) ([]*x509.RevocationList, error) { return readLists(path, settled) }

func readLists(path string, check func(fs.FileInfo) error) ([]*x509.RevocationList, error) {
	b, err := read(path, check)
	if err != nil {
		return nil, err
	}
	lists, err := ParseLists(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return lists, nil
}

// LoadFiles is Load from files. The key's must be ours or root's, nobody else may
// have access to it, and no link may lead to it.
func LoadFiles(certPath, keyPath string) (*Own, error) {
	cert, err := read(certPath, nil)
	if err != nil {
		return nil, err
	}
	key, err := read(keyPath, private)
	if err != nil {
		return nil, err
	}
	o, err := Load(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", certPath, filepath.Base(keyPath), err)
	}
	return o, nil
}

// read reads a file, if check, when there is one, has nothing against it.
func read(path string, check func(fs.FileInfo) error) ([]byte, error) {
	flags := os.O_RDONLY | syscall.O_NONBLOCK // a FIFO must not hold us
	if check != nil {
		flags |= syscall.O_NOFOLLOW
	}
	f, err := os.OpenFile(path, flags, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%s is a link: who can change it decides what is read; write the path that it leads to", path)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !fi.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", path)
	}
	if check != nil {
		if err := check(fi); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s is longer than %d octets", path, maxFile)
	}
	return b, err
}

// private tells why a file is not safe for a key.
func private(fi fs.FileInfo) error {
	if mode := fi.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("others can get at this key, its mode is %04o: chmod 0600 it, and make another if they may have read it", mode)
	}
	return owned(fi, "this key")
}

// settled tells why somebody else could decide what a file holds.
func settled(fi fs.FileInfo) error {
	if mode := fi.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("others can change this list, its mode is %04o: chmod 0644 it, and look whether it is the right one still", mode)
	}
	return owned(fi, "this list")
}

// owned tells that a file, which is what it is called, is neither ours nor root's.
func owned(fi fs.FileInfo, what string) error {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d: chown it to root, or to the user of the daemon", what, st.Uid)
	}
	return nil
}

// Save writes the certificate and its key into two new files: both, or none. It
// never writes over a file.
func (o *Own) Save(certPath, keyPath string) error {
	return saveNew([]newFile{{keyPath, 0o600, o.Key()}, {certPath, 0o644, o.Certificate()}})
}

// SaveCertificate writes the certificate alone into a new file. The same certificate
// may be there already.
func (o *Own) SaveCertificate(path string) error {
	if there, err := ReadCertificates(path); err == nil && there[0].Equal(o.Leaf()) {
		return nil
	}
	return saveNew([]newFile{{path, 0o644, o.Certificate()}})
}

type newFile struct {
	path string
	mode fs.FileMode
	text []byte
}

// saveNew opens all files before it writes to any, and removes them if something
// goes wrong.
func saveNew(files []newFile) (err error) {
	var open []*os.File
	defer func() {
		for _, f := range open {
			f.Close()
			if err != nil {
				os.Remove(f.Name())
			}
		}
	}()
	for _, n := range files {
		f, err := os.OpenFile(n.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s is there already, and nothing is written over: move it away, or take another name", n.path)
		}
		if err != nil {
			return err
		}
		open = append(open, f)
	}
	for i, n := range files {
		if err := fill(open[i], n); err != nil {
			return err
		}
	}
	return nil
}

// fill writes a file so that it survives a power failure. Its mode does not follow
// the umask: peers must be given the certificate.
func fill(f *os.File, n newFile) error {
	if _, err := f.Write(n.text); err != nil {
		return err
	}
	if err := f.Chmod(n.mode); err != nil {
		return err
	}
	return f.Sync()
}

// UpdateList adds certs to the revocation list of the CA at path, or makes the
// list, and returns it. Whoever reads the file sees the old list or the new.
func (ca *Own) UpdateList(path string, certs []*x509.Certificate, now time.Time, valid time.Duration) (*x509.RevocationList, error) {
	next := path + ".new" // whoever makes it has the right to replace the list
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s is there: another revocation is under way, or was cut off; if not the former, remove it", next)
	}
	if err != nil {
		return nil, err
	}
	list, err := ca.nextList(path, f, certs, now, valid)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(next))
	}
	return list, os.Rename(next, path)
}

// nextList writes the list that comes after the one at path to f.
func (ca *Own) nextList(path string, f *os.File, certs []*x509.Certificate, now time.Time, valid time.Duration) (*x509.RevocationList, error) {
	var old *x509.RevocationList
	lists, err := ReadLists(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case len(lists) > 1:
		return nil, fmt.Errorf("%s holds %d lists: give the CA a file with its own alone", path, len(lists))
	default:
		old = lists[0]
	}
	text, err := ca.Revoke(old, certs, now, valid)
	if err != nil {
		return nil, err
	}
	if err := fill(f, newFile{mode: 0o644, text: text}); err != nil {
		return nil, err
	}
	lists, err = ParseLists(text)
	if err != nil {
		return nil, err
	}
	return lists[0], nil
}

package openbadge

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"strings"

	"portillon/openbadge/internal/ld"
)

// Directory is a Resolver with nobody online: a folder in which somebody has laid the documents that badges rest on.
// The document of a URL is, in this order,
//
//   - what index.json, in the folder, says: {"https://lab.example/keys": "keys.json", "https://lab.example/badge/1":
//     {"gone": true}}. A file is named by its path in the folder; what is gone is ErrGone;
//   - the file at host/path: https://lab.example/.well-known/did.json is lab.example/.well-known/did.json. A URL with a
//     query, a fragment or escapes has no such file;
//   - a *.json or *.jwt of the folder itself whose id is the URL.
//
// Anything else is out of reach, and not ErrNotFound: a folder is only a part of what stands in the world. No path
// leads out of the folder, by no symbolic link either. The zero Directory holds nothing. Documents are read when they
// are asked for; any number may ask at once.
type Directory struct {
	dir   string
	index map[string]string // URL → file; "" is gone
	byID  map[string]string // id → file
}

var _ Resolver = (*Directory)(nil)

const (
	indexFile    = "index.json"
	maxFiles     = 10_000  // of the folder itself
	maxDocValues = 150_000 // as many as a status list has
)

// OpenDirectory reads the folder's index and the ids of the documents in it. The error names the file that cannot be
// read, or that nobody could ever find.
func OpenDirectory(dir string) (*Directory, error) {
	d := &Directory{dir: dir, index: map[string]string{}, byID: map[string]string{}}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := d.readIndex(root); err != nil {
		return nil, err
	}
	if err := d.readIDs(root); err != nil {
		return nil, err
	}
	return d, nil
}

// blame names the file in an error.
func (d *Directory) blame(file string, err error) error {
	return fmt.Errorf("%s: %w", path.Join(d.dir, file), err)
}

func (d *Directory) readIndex(root *os.Root) error {
	b, err := readDocument(root, indexFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return d.blame(indexFile, err)
	}
	all, err := ld.ParseList(b, maxDocValues)
	if err != nil {
		return d.blame(indexFile, err)
	}
	for u, v := range all {
		file, err := entryOf(u, v)
		if err == nil && file != "" {
			_, err = regular(root, file)
		}
		if err != nil {
			return d.blame(indexFile, fmt.Errorf("%q: %w", u, err))
		}
		d.index[u] = file
	}
	return nil
}

// entryOf reads a line of the index: the file, or "" for what is gone.
func entryOf(u string, v any) (string, error) {
	if !strings.Contains(u, ":") {
		return "", errors.New("invalid URL: scheme is missing")
	}
	if o, ok := v.(object); ok && len(o) == 1 && o["gone"] == true {
		return "", nil
	}
	file, ok := v.(string)
	if !ok || !fs.ValidPath(file) {
		return "", errors.New(`want the path of a file in the folder, or {"gone": true}`)
	}
	return file, nil
}

// readIDs looks into the documents of the folder itself that the index does not name.
func (d *Directory) readIDs(root *os.Root) error {
	files, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	if len(files) > maxFiles {
		return fmt.Errorf("%s: %d files, want at most %d", d.dir, len(files), maxFiles)
	}
	known := map[string]bool{indexFile: true}
	for _, f := range d.index {
		known[f] = true
	}
	for _, f := range files {
		if ext := path.Ext(f.Name()); (ext == ".json" || ext == ".jwt") && !known[f.Name()] {
			if err := d.readID(root, f.Name()); err != nil {
				return d.blame(f.Name(), err)
			}
		}
	}
	return nil
}

// readID notes the id of a document, by which it will be found.
func (d *Directory) readID(root *os.Root, file string) error {
	b, err := readDocument(root, file)
	if err != nil {
		return err
	}
	id, err := idOf(b)
	if err != nil {
		return err
	}
	if other, ok := d.byID[id]; ok {
		return fmt.Errorf("same id as %s: %.200s", other, id)
	}
	d.byID[id] = file
	return nil
}

// idOf is the id that a document, or the payload of a token, gives itself. It is a name by which to look it up, and
// proves nothing.
func idOf(b []byte) (string, error) {
	b = bytes.TrimSpace(b)
	if parts := bytes.SplitN(b, []byte("."), 4); !bytes.HasPrefix(b, []byte("{")) && len(parts) == 3 {
		payload, err := base64.RawURLEncoding.DecodeString(string(parts[1]))
		if err != nil {
			return "", fmt.Errorf("invalid JWT: %w", err)
		}
		b = payload
	}
	doc, err := ld.ParseList(b, maxDocValues)
	if err != nil {
		return "", err
	}
	for _, o := range []object{doc, ld.Obj(doc, "vc")} {
		if id := ld.Str(o, "id"); id != "" {
			return id, nil
		}
	}
	return "", fmt.Errorf("document without an id, want an id or an entry in %s", indexFile)
}

// Resolve gives what the folder has of a URL.
func (d *Directory) Resolve(url string) ([]byte, error) {
	if d.dir == "" {
		return nil, errNotHere
	}
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if file, ok := d.index[url]; ok && file == "" {
		return nil, ErrGone
	} else if ok {
		return readDocument(root, file)
	}
	if file, ok := fileOf(url); ok {
		if b, err := readDocument(root, file); !errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
	}
	if file, ok := d.byID[url]; ok {
		return readDocument(root, file)
	}
	return nil, errNotHere
}

var errNotHere = errors.New("document not in the folder")

// fileOf is host/path of an https URL that is written as plainly as a file's name.
func fileOf(s string) (string, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(s, "?#%\\") {
		return "", false
	}
	file := u.Host + u.Path
	return file, u.Path != "" && fs.ValidPath(file)
}

// regular makes sure that a name leads to a file: to open a pipe would wait for ever.
func regular(root *os.Root, file string) (fs.FileInfo, error) {
	i, err := root.Stat(file)
	switch {
	case err != nil:
		return nil, err
	case !i.Mode().IsRegular():
		return nil, fmt.Errorf("not a regular file: %w", fs.ErrNotExist)
	}
	return i, nil
}

func readDocument(root *os.Root, file string) ([]byte, error) {
	if _, err := regular(root, file); err != nil {
		return nil, err
	}
	f, err := root.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxListBytes+1))
	if err == nil && len(b) > MaxListBytes {
		err = fmt.Errorf("file has more than %d bytes", MaxListBytes)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

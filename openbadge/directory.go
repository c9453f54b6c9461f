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

// Directory is a Resolver that reads a folder with copies of documents. The document of a URL is, in this order,
//
//   - what index.json, in the folder, says: {"https://lab.example/keys": "keys.json", "https://lab.example/badge/1":
//     {"gone": true}}. A file is named by its path in the folder; what is gone is ErrGone;
//   - the file at host/path: https://lab.example/.well-known/did.json is lab.example/.well-known/did.json. A URL with a
//     query, a fragment or escapes has no such file;
//   - a *.json or *.jwt of the folder itself whose id is the URL.
//
// For any other URL the error is not ErrNotFound, because a folder has only a part of all documents. No path or
// symbolic link leads out of the folder. The zero Directory is empty. Documents are read at each call; concurrent calls
// are allowed.
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

// OpenDirectory reads the folder's index and the ids of its documents. The error names a file that cannot be read, or
// that could never be found.
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

// blame adds the file's name to an error.
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

// entryOf reads an entry of the index: the file, or "" for a document that is gone.
func entryOf(u string, v any) (string, error) {
	if !strings.Contains(u, ":") {
		return "", errors.New("not a URL")
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

// readIDs reads the ids of documents in the folder itself that the index does not list.
func (d *Directory) readIDs(root *os.Root) error {
	files, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	if len(files) > maxFiles {
		return fmt.Errorf("%s: %d files, at most %d are read", d.dir, len(files), maxFiles)
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

// readID notes the id by which a document is found.
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
		return fmt.Errorf("%s has the id %.200s too", other, id)
	}
	d.byID[id] = file
	return nil
}

// idOf is the id in a document, or in the payload of a token. It only serves to look the document up, and proves
// nothing.
func idOf(b []byte) (string, error) {
	b = bytes.TrimSpace(b)
	if parts := bytes.SplitN(b, []byte("."), 4); !bytes.HasPrefix(b, []byte("{")) && len(parts) == 3 {
		payload, err := base64.RawURLEncoding.DecodeString(string(parts[1]))
		if err != nil {
			return "", fmt.Errorf("not a JWT: %w", err)
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
	return "", fmt.Errorf("document has no id and is not listed in %s, so it could never be found", indexFile)
}

// Resolve implements Resolver.
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

var errNotHere = errors.New("document is not in the folder")

// fileOf is host/path of an https URL without query, fragment and escapes.
func fileOf(s string) (string, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(s, "?#%\\") {
		return "", false
	}
	file := u.Host + u.Path
	return file, u.Path != "" && fs.ValidPath(file)
}

// regular checks that a name is a regular file, because opening a named pipe would block.
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
		err = fmt.Errorf("more than %d bytes", MaxListBytes)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

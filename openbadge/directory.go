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

// Directory is a Resolver without network access: it reads the documents that badges refer to from a folder. The
// document of a URL is, in this order:
//
//   - the entry of index.json in the folder: {"https://lab.example/keys": "keys.json", "https://lab.example/badge/1":
//     {"gone": true}}. An entry names a file by its path in the folder; an entry with "gone" means ErrGone;
//   - the file at host/path: https://lab.example/.well-known/did.json is lab.example/.well-known/did.json. A URL
//     with a query, a fragment or escapes has no such file;
//   - a *.json or *.jwt file directly in the folder with the URL as its id.
//
// Any other URL is reported as unreachable and not as ErrNotFound, because the folder contains only some of the
// documents on the web. No path leads outside the folder, not even through a symbolic link. The zero Directory has no
// documents. Resolve reads the document's file at each call, and may be called concurrently.
type Directory struct {
	dir   string
	index map[string]string // maps a URL to its file, or to "" for a removed document
	byID  map[string]string // maps the id of a document to its file
}

var _ Resolver = (*Directory)(nil)

const (
	indexFile    = "index.json"
	maxFiles     = 10_000  // maximum number of files directly in the folder
	maxDocValues = 150_000 // maximum number of values in a document, the same as for a status list
)

// OpenDirectory reads the folder's index and the ids of its documents. The error names a file that cannot be read, or
// an entry of the index that no URL can select.
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

// withFileName adds the name of the file to an error.
func (d *Directory) withFileName(file string, err error) error {
	return fmt.Errorf("%s: %w", path.Join(d.dir, file), err)
}

// readIndex reads index.json, which may be missing, and checks the files that it names.
func (d *Directory) readIndex(root *os.Root) error {
	b, err := readDocument(root, indexFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return d.withFileName(indexFile, err)
	}
	all, err := ld.ParseList(b, maxDocValues)
	if err != nil {
		return d.withFileName(indexFile, err)
	}
	for u, v := range all {
		file, err := entryOf(u, v)
		if err == nil && file != "" {
			_, err = requireRegularFile(root, file)
		}
		if err != nil {
			return d.withFileName(indexFile, fmt.Errorf("%q: %w", u, err))
		}
		d.index[u] = file
	}
	return nil
}

// entryOf returns the file that an entry of the index names, or "" if the entry says that the document was removed.
func entryOf(u string, v any) (string, error) {
	if !strings.Contains(u, ":") {
		return "", errors.New("invalid URL: scheme is missing")
	}
	if o, ok := v.(object); ok && len(o) == 1 && o["gone"] == true {
		return "", nil
	}
	file, ok := v.(string)
	if !ok || !fs.ValidPath(file) {
		return "", errors.New(`invalid entry, want the path of a file in the folder, or {"gone": true}`)
	}
	return file, nil
}

// readIDs reads the ids of those documents in the folder that the index does not name.
func (d *Directory) readIDs(root *os.Root) error {
	files, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	if len(files) > maxFiles {
		return fmt.Errorf("folder %s has %d files, want at most %d", d.dir, len(files), maxFiles)
	}
	known := map[string]bool{indexFile: true}
	for _, f := range d.index {
		known[f] = true
	}
	for _, f := range files {
		if ext := path.Ext(f.Name()); (ext == ".json" || ext == ".jwt") && !known[f.Name()] {
			if err := d.readID(root, f.Name()); err != nil {
				return d.withFileName(f.Name(), err)
			}
		}
	}
	return nil
}

// readID reads the id of a document and stores it for Resolve.
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
		return fmt.Errorf("document has the same id as %s: %.200s", other, id)
	}
	d.byID[id] = file
	return nil
}

// idOf returns the id in a document, or in the payload of a token. idOf does not verify the id, because the id only
// serves to find the document.
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
	return "", fmt.Errorf("document has no id, want an id or an entry in %s", indexFile)
}

// Resolve returns the folder's document for a URL.
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

// fileOf returns the path host/path for an https URL without special characters.
func fileOf(s string) (string, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(s, "?#%\\") {
		return "", false
	}
	file := u.Host + u.Path
	return file, u.Path != "" && fs.ValidPath(file)
}

// requireRegularFile returns an error if the file is not a regular file, because opening a pipe would block forever.
func requireRegularFile(root *os.Root, file string) (fs.FileInfo, error) {
	i, err := root.Stat(file)
	switch {
	case err != nil:
		return nil, err
	case !i.Mode().IsRegular():
		return nil, fmt.Errorf("document is not a regular file: %w", fs.ErrNotExist)
	}
	return i, nil
}

// readDocument reads a file, and returns an error if it has more than MaxListBytes bytes.
func readDocument(root *os.Root, file string) ([]byte, error) {
	if _, err := requireRegularFile(root, file); err != nil {
		return nil, err
	}
	f, err := root.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxListBytes+1))
	if err == nil && len(b) > MaxListBytes {
		err = fmt.Errorf("document has more than %d bytes", MaxListBytes)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

package web

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
)

// assets are the static files. The address of a file contains a hash of all files, so browsers may cache the file for
// ever.
type assets struct {
	hash string
	data map[string][]byte
}

// readAssets reads the embedded files and calculates their hash.
func readAssets() (assets, error) {
	a := assets{data: map[string][]byte{}}
	sum := sha256.New()
	list, err := fs.ReadDir(files, "static")
	if err != nil {
		return a, err
	}
	for _, f := range list {
		b, err := files.ReadFile("static/" + f.Name())
		if err != nil {
			return a, err
		}
		a.data[f.Name()] = b
		sum.Write(b)
	}
	a.hash = hex.EncodeToString(sum.Sum(nil))[:12]
	return a, nil
}

// path returns the address of a static file.
func (a assets) path(name string) string { return "/static/" + a.hash + "/" + name }

// asset serves a static file. If the hash in the address belongs to another version, asset answers 404, because
// browsers would cache the file under the wrong hash.
func (p *Pages) asset(w http.ResponseWriter, r *http.Request) {
	b, ok := p.assets.data[r.PathValue("name")]
	if !ok || r.PathValue("hash") != p.assets.hash {
		http.NotFound(w, r)
		return
	}
	types := map[string]string{"hub.css": "text/css; charset=utf-8", "hub.js": "text/javascript; charset=utf-8",
		"icon.svg": "image/svg+xml"}
	w.Header().Set("Content-Type", types[r.PathValue("name")])
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Del("Vary")
	w.Write(b)
}

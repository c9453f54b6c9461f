package web

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
)

// assets are the static files; their address has a hash of all of them, so that a browser may keep them for ever.
type assets struct {
	hash string
	data map[string][]byte
}

// readAssets reads the files below static, and makes a hash of all of them for their paths.
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

// path is the address of a file. It changes with the content, so that browsers may keep the file for good.
func (a assets) path(name string) string { return "/static/" + a.hash + "/" + name }

// asset answers a static file. One of another version is not found: it must not be kept under a hash that is not its
// own.
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

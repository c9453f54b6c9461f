package issue

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"portillon/hub/fault"
	"portillon/policy"
)

// Patterns returns the patterns of the public documents, for http.ServeMux. A Service serves these documents to
// everybody, without a sign-in: the issuer's keys, its status lists and the pictures of its badges. None of them says
// who has a badge.
func Patterns() []string {
	return []string{"GET " + pathDID, "GET " + pathProfile, "GET " + pathJWKS, "GET " + pathList + "{number}",
		"GET " + pathPicture + "{file}"}
}

// These are the values of Cache-Control: status lists change at once when a badge is revoked, and other documents when
// the policy or a key changes.
const (
	listAge     = "public, max-age=60"
	documentAge = "public, max-age=3600"
)

// ServeHTTP serves the public documents of Patterns.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, kind, age := r.URL.Path, "application/json", documentAge
	var data []byte
	var own bool
	var err error
	if strings.HasPrefix(path, pathPicture) {
		kind = "image/png"
		var id string
		if id, own = strings.CutSuffix(r.PathValue("file"), ".png"); own {
			data, err = s.picture(r.Context(), policy.BadgeID(id))
		}
	} else {
		data, own, err = s.Document(r.Context(), s.o.addresses().base+path)
	}
	if strings.HasPrefix(path, pathList) {
		age = listAge
	}
	switch {
	case !own || isMissing(err):
		http.Error(w, "404", http.StatusNotFound)
		return
	case err != nil:
		s.o.Log.Error("public document not served", "path", path, "err", err)
		http.Error(w, "500", http.StatusInternalServerError)
		return
	}
	sum := sha256.Sum256(data)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", age)
	h.Set("ETag", tag)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Access-Control-Allow-Origin", "*") // verifiers in browsers read the documents
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	if _, err := w.Write(data); err != nil {
		s.o.Log.Debug("sending a public document failed", "path", r.URL.Path, "err", err)
	}
}

// isMissing reports whether an error means that a document does not exist.
func isMissing(err error) bool {
	var missing *fault.NotFound
	var refused *fault.Invalid
	return errors.As(err, &missing) || errors.As(err, &refused) || errors.Is(err, sql.ErrNoRows) ||
		errors.Is(err, errNoList)
}

package directory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/site"
)

// filesAtOnce is the maximum number of files that are verified together, because memory contains the documents for
// their verdicts until all are verified (maxKept).
const filesAtOnce = 100

// FileNames returns the names that the directory gives to the files of a site's folder; the key is the name in the
// folder. Files with the same bytes have the same name.
func FileNames(files []site.File) map[string]string {
	out, taken, byHash := map[string]string{}, map[string]bool{}, map[string]string{}
	for _, f := range files {
		sum := sha256.Sum256(f.Data)
		id := hex.EncodeToString(sum[:])
		if byHash[id] == "" {
			name := fileName(upload{name: f.Name, data: f.Data})
			if taken[name] {
				ext := path.Ext(name)
				name = strings.TrimSuffix(name, ext) + "-" + id[:16] + ext
			}
			byHash[id], taken[name] = name, true
		}
		out[f.Name] = byHash[id]
	}
	return out
}

// AddFiles adds the badges and status lists of a site's folder, as AddBadges does with the files of a ZIP. Each
// returned badge was either stored or has the reason in Badge.Refused; From is the file's name in the folder. The actor
// needs actor.WriteBadges.
func (s *Badges) AddFiles(ctx context.Context, a actor.Actor, files []site.File) (out []Badge, err error) {
	if err := a.May(actor.WriteBadges, about("")); err != nil {
		return nil, err
	}
	names := FileNames(files)
	for len(files) > 0 {
		some := files[:min(len(files), filesAtOnce)]
		files = files[len(some):]
		var all []upload
		for _, f := range some {
			all = append(all, upload{name: names[f.Name], from: f.Name, data: f.Data})
		}
		badges, err := s.addFiles(ctx, a, "", all)
		var none *fault.Invalid
		if errors.As(err, &none) { // the batch contains no file that could be stored
			for _, f := range none.Faults {
				badges = append(badges, Badge{From: f.Given, Refused: f.Wrong})
			}
		} else if err != nil {
			return out, err
		}
		out = append(out, badges...)
	}
	return out, nil
}

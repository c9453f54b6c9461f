package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"portillon/openbadge"
	"portillon/openbadge/bake"
	"portillon/policy"
	"portillon/wire"
)

// place is the index of a new badge in a status list of the issuer. The register FILE.places beside the list records
// which badge has which index. The issuer keeps the register private, because nobody else needs it.
type place struct {
	list  string
	index int    // --status-index; below 0: choose a free index at random
	none  bool   // --no-status
	url   string // --status-url: address of a list that this command creates
	// The field since is the time from which the badge is valid. A new list must become valid no later than the badge. If
	// the list became valid later, a machine whose clock is between the two times would reject the list, and therefore the
	// badge.
	since time.Time

	draft openbadge.StatusListDraft // the list, read from a file or new
	fresh []byte                    // signed text of a new list; write stores it just before the list's first badge
	taken map[int]string            // ids of the badges, by index
}

// declare declares the flags about the status list.
func (p *place) declare(fs *flag.FlagSet) {
	fs.StringVar(&p.list, "status-list", "",
		"the issuer's status list: a file (badge status-list), in which the badge gets a place that FILE.places remembers; "+
			"or a URL; default with --policy: status/ISSUER.json beside the policy, which is made where it is missing")
	fs.IntVar(&p.index, "status-index", -1, "with --status-list: the place; default: one of those that are free")
	fs.StringVar(&p.url, "status-url", "",
		"where the list will stand, if it is made now; default: /status/ISSUER at the issuer's or the badges' host")
	fs.BoolVar(&p.none, "no-status", false, "issue a badge without a status list, which can never be revoked")
}

// maxLists is the maximum number of lists of one issuer that are searched for a free index. Each list has 65,536
// indices.
const maxLists = 20

// byPolicy finds a status list of the policy's issuer in the folder that «bundle build» reads. byPolicy returns the
// first list that this key has signed and that is at most half full. If no such list exists, byPolicy creates one.
func (p *place) byPolicy(policyFile string, is *policy.Issuer, achievement string, k *openbadge.Key) error {
	dir := filepath.Join(filepath.Dir(policyFile), "status")
	for n := 1; n <= maxLists; n++ {
		name := string(is.ID)
		if n > 1 {
			name += "-" + strconv.Itoa(n)
		}
		path := filepath.Join(dir, name+".json")
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			p.list = path
			return p.signNew(is, achievement, name, k)
		}
		if err != nil {
			return wrong("%w", err)
		}
		d, err := openbadge.OpenStatusList(data, k)
		if err != nil || d.IssuerID != is.Profile || d.Purpose != "revocation" {
			continue // skip a list of another key, which only that key can change
		}
		if p.taken, err = knownPlaces(path, d); err != nil {
			return err
		}
		// Leave half of the list empty, so that a random choice quickly finds a free index.
		if len(p.taken) < d.Size/2 {
			p.list, p.draft = path, d
			return nil
		}
	}
	return wrong("the first %d lists of %s are full, or another key's", maxLists, is.ID).
		hinted("--status-list names another")
}

// signNew signs a new list. Method write later stores the list together with the list's first badge.
func (p *place) signNew(is *policy.Issuer, achievement, name string, k *openbadge.Key) (err error) {
	at := p.url
	if at == "" {
		if at = statusURL(name, is.Profile, achievement); at == "" {
			return wrong(
				"--status-url is missing: neither the issuer's id nor the achievement's names a host at which its status list "+
					"could stand",
			).
				hinted("--status-url https://lab.example/status/%s, or --no-status for a badge that can never be revoked", name)
		}
	}
	p.draft = openbadge.StatusListDraft{
		ID:       at,
		IssuerID: is.Profile,
		Purpose:  "revocation",
		Size:     openbadge.MinStatusEntries,
	}
	begins := ""
	if !p.since.IsZero() && p.since.Before(time.Now()) {
		begins = p.since.UTC().Format(time.RFC3339)
	}
	p.fresh, err = signList(p.draft, k, begins, 0)
	return err
}

// statusURL returns an address for a list, at the host that the first id with a host contains, or "" if no id contains
// a host.
func statusURL(name string, ids ...string) string {
	for _, id := range ids {
		if rest, ok := strings.CutPrefix(id, "did:web:"); ok {
			host, _, _ := strings.Cut(rest, ":")
			id = "https://" + strings.NewReplacer("%3A", ":", "%3a", ":").Replace(host)
		}
		if u, err := url.Parse(id); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" &&
			u.User == nil {
			return "https://" + u.Host + "/status/" + name
		}
	}
	return ""
}

// entries returns the badge's credentialStatus entries, or nil if the badge has no status list.
func (p *place) entries(k *openbadge.Key) ([]openbadge.StatusEntry, error) {
	switch elsewhere := strings.HasPrefix(p.list, "https://"); {
	case p.list == "" || p.none:
		return nil, nil
	case elsewhere && p.index < 0:
		return nil, wrong("--status-index is missing").hinted("an index can be drawn only if the list is a file")
	case elsewhere:
		return []openbadge.StatusEntry{openbadge.StatusListDraft{ID: p.list}.Entry(p.index)}, nil
	}
	// Read the list that --status-list names.
	if p.draft.ID == "" {
		var err error
		if p.draft, err = openList(p.list, k); err != nil {
			return nil, err
		}
		if p.taken, err = knownPlaces(p.list, p.draft); err != nil {
			return nil, err
		}
	}
	// Choose a free index at random.
	if p.index < 0 {
		var err error
		if p.index, err = p.draft.RandomIndex(p.taken); err != nil {
			return nil, wrong("%w", err)
		}
	}
	if p.taken[p.index] != "" {
		return nil, wrong("--status-index: the index %d belongs to the badge %s", p.index, p.taken[p.index])
	}
	return []openbadge.StatusEntry{p.draft.Entry(p.index)}, nil
}

// write stores a new list. write must be called before the badge is written, because machines reject a badge whose list
// does not exist.
func (p *place) write(w stdio) error {
	if p.fresh == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(p.list), 0o755); err != nil {
		return err
	}
	if err := wire.WriteFile(p.list, p.fresh, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(w.err,
		"portillon: made the status list %s: badge revoke takes badges back in it, bundle build carries it; for others, "+
			"publish it at %s\n", p.list, p.draft.ID)
	p.fresh = nil
	return nil
}

// register adds the badge and its index to the list's register.
func (p *place) register(badge []byte) error {
	v := openbadge.Verify(badge, openbadge.Options{})
	if p.list == "" || p.none || strings.HasPrefix(p.list, "https://") || v.Badge == nil {
		return nil
	}
	if p.taken == nil {
		p.taken = map[int]string{}
	}
	p.taken[p.index] = v.Badge.ID
	return appendPlaces(p.list, map[int]string{p.index: v.Badge.ID})
}

// placesOf returns the path of a list's register.
func placesOf(list string) string { return list + ".places" }

// appendPlaces adds lines to a register.
func appendPlaces(list string, places map[int]string) error {
	f, err := os.OpenFile(placesOf(list), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, n := range slices.Sorted(maps.Keys(places)) {
		fmt.Fprintf(&text, "%d %s\n", n, places[n])
	}
	_, err = f.WriteString(text.String())
	return errors.Join(err, f.Close())
}

// readPlaces reads a register, which has an index and a badge's id on each line. If the register does not exist,
// readPlaces returns no indices.
func readPlaces(list string) (map[int]string, error) {
	out := map[int]string{}
	b, err := os.ReadFile(placesOf(list))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.TrimSpace(b)) == 0 {
		return out, nil
	}
	if err != nil {
		return nil, wrong("%w", err)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		index, id, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(index)
		if err != nil || id == "" {
			return nil, wrong("%s:%d: %.40q is not an index and a badge's id", placesOf(list), i+1, line).
				hinted("remove the file: it is made anew from the badges")
		}
		out[n] = id
	}
	return out, nil
}

// knownPlaces returns the used indices: those in the register, and those in badges in the folders beside the list. The
// badges reveal the indices that a damaged or lost register does not contain. Two badges with the same index would be
// revoked together, so an index that any badge names is never assigned again.
func knownPlaces(list string, d openbadge.StatusListDraft) (map[int]string, error) {
	taken, err := readPlaces(list)
	if err != nil {
		return nil, err
	}
	lost := map[int]string{}
	for _, dir := range []string{filepath.Dir(list), filepath.Join(filepath.Dir(list), "..", "badges")} {
		if err := eachBadge(dir, func(b *openbadge.Badge) {
			if n, ok := placeIn(b, d); ok && taken[n] == "" {
				taken[n], lost[n] = b.ID, b.ID
			}
		}); err != nil {
			return nil, err
		}
	}
	if len(lost) == 0 {
		return taken, nil
	}
	return taken, appendPlaces(list, lost)
}

// eachBadge calls do for each badge in a folder, of any issuer. eachBadge skips files that are not badges. If the
// folder does not exist, eachBadge does nothing.
func eachBadge(dir string, do func(*openbadge.Badge)) error {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return wrong("%w", err)
	}
	for _, f := range files {
		i, err := f.Info()
		if err != nil || !i.Mode().IsRegular() || i.Size() > bake.MaxBytes ||
			!slices.Contains([]string{".json", ".jwt", ".png", ".svg"}, filepath.Ext(f.Name())) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return wrong("%w", err)
		}
		if v := openbadge.Verify(data, openbadge.Options{}); v.Badge != nil {
			do(v.Badge)
		}
	}
	return nil
}

// placeIn returns the index of a badge in this list, and whether the badge names the list.
func placeIn(b *openbadge.Badge, d openbadge.StatusListDraft) (int, bool) {
	for _, e := range b.Status {
		if e.Type == openbadge.BitstringEntryType && e.List == d.ID && e.Index < int64(d.Size) {
			return int(e.Index), true
		}
	}
	return 0, false
}

// pinOf returns a key in the form in which a trust file contains it: a DID, or a PEM public key.
func pinOf(k *openbadge.Key) string {
	if k.DID() != "" {
		return k.DID()
	}
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		return ""
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// warnOfNoStatus warns that a badge without a status list can never be revoked.
func (w stdio) warnOfNoStatus() {
	fmt.Fprintln(w.err,
		"portillon: warning: without a status list this badge can never be revoked: it counts until it ends")
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"portillon/openbadge"
	"portillon/wire"
)

// place is where a new badge stands in a status list of ours: the list's file, and beside it a register of who has which place,
// which nobody but the issuer needs.
type place struct {
	list  string
	index int
}

func (p *place) declare(fs *flag.FlagSet) {
	fs.StringVar(&p.list, "status-list", "", "the issuer's status list: a file (badge status-list), in which the badge gets a place that FILE.places remembers; or a URL")
	fs.IntVar(&p.index, "status-index", -1, "with --status-list: the place; default: one of those that are free")
}

// entries are what the badge says of its place.
func (p *place) entries(k *openbadge.Key) ([]openbadge.StatusEntry, error) {
	switch elsewhere := strings.HasPrefix(p.list, "https://"); {
	case p.list == "":
		return nil, nil
	case elsewhere && p.index < 0:
		return nil, wrong("--status-index is missing").hinted("a place is only drawn where the list is a file")
	case elsewhere:
		return []openbadge.StatusEntry{openbadge.StatusListDraft{ID: p.list}.Entry(p.index)}, nil
	}
	d, err := openList(p.list, k)
	if err != nil {
		return nil, err
	}
	taken, err := readPlaces(p.list)
	if err != nil {
		return nil, err
	}
	if p.index < 0 {
		if p.index, err = d.RandomIndex(taken); err != nil {
			return nil, wrong("%w", err)
		}
	}
	if taken[p.index] != "" {
		return nil, wrong("--status-index: the place %d is the badge %s's", p.index, taken[p.index])
	}
	return []openbadge.StatusEntry{d.Entry(p.index)}, nil
}

// register remembers whose the place is.
func (p *place) register(badge []byte) error {
	v := openbadge.Verify(badge, openbadge.Options{})
	if p.list == "" || strings.HasPrefix(p.list, "https://") || v.Badge == nil {
		return nil
	}
	f, err := os.OpenFile(placesOf(p.list), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%d %s\n", p.index, v.Badge.ID)
	return errors.Join(err, f.Close())
}

func placesOf(list string) string { return list + ".places" }

// readPlaces reads a register: a place and a badge's id on each line.
func readPlaces(list string) (map[int]string, error) {
	b, err := os.ReadFile(placesOf(list))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, wrong("%w", err)
	}
	out := map[int]string{}
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		index, id, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(index)
		if err != nil || id == "" {
			return nil, wrong("%s:%d: this is no place and no badge's id", placesOf(list), i+1)
		}
		out[n] = id
	}
	return out, nil
}

func openList(path string, k *openbadge.Key) (openbadge.StatusListDraft, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return openbadge.StatusListDraft{}, wrong("%w", err)
	}
	d, err := openbadge.OpenStatusList(data, k)
	if err != nil {
		return d, wrong("%s: %w", path, err).hinted("portillon badge status-list makes one with the same key")
	}
	return d, nil
}

// badgeStatusList makes a list in which nobody is revoked yet.
func badgeStatusList(_ context.Context, w stdio, args []string) error {
	var d openbadge.StatusListDraft
	var key, out, at string
	var life time.Duration
	if _, err := flags(w, "badge status-list", args, 0, func(fs *flag.FlagSet) {
		fs.StringVar(&key, "key", "", "the issuer's key (badge keygen)")
		fs.StringVar(&d.ID, "id", "", "the https address at which the list will stand")
		fs.StringVar(&d.IssuerID, "issuer", "", "the issuer's id, as in the badges; default: the key's did:key")
		fs.StringVar(&d.Purpose, "purpose", "revocation", "revocation, or suspension")
		fs.IntVar(&d.Size, "size", openbadge.MinStatusEntries, "places in the list")
		spanFlag(fs, &life, "life", 0, "how long the list is good, as in 30d: sign it anew before (badge revoke --renew); default: no end")
		spanFlag(fs, &d.TTL, "ttl", 0, "how long others may keep it, as in 12h; default: not said")
		fs.StringVar(&at, "at", "", "the time of issue (RFC 3339); default: now")
		fs.StringVar(&out, "o", "", "the file")
	}); err != nil {
		return err
	}
	if err := missing("--key issuer.key --id https://lab.example/status/1 -o status-1.json", need{"--key", key != ""}, need{"--id", d.ID != ""}, need{"-o", out != ""}); err != nil {
		return err
	}
	k, err := openbadge.ReadKey(key)
	if err != nil {
		return wrong("%w", err)
	}
	b, err := signList(d, k, at, life)
	if err != nil {
		return err
	}
	return w.writeOut(out, b, false)
}

func signList(d openbadge.StatusListDraft, k *openbadge.Key, at string, life time.Duration) (b []byte, err error) {
	if d.ValidFrom, err = timeFlag("--at", at, time.Now()); err != nil {
		return nil, err
	}
	if life > 0 {
		d.ValidUntil = d.ValidFrom.Add(life)
	}
	b, err = openbadge.IssueStatusList(d, k, d.ValidFrom)
	if err != nil {
		return nil, wrong("%w", err)
	}
	return b, nil
}

// revoking is what badge revoke is told.
type revoking struct {
	key, at     string
	badges      []string
	indices     []int
	undo, renew bool
	life        time.Duration
}

func (r *revoking) declare(fs *flag.FlagSet) {
	fs.StringVar(&r.key, "key", "", "the key that signed the list")
	fs.Func("badge", "the badge, a file: LIST.places knows its place; may be repeated", func(s string) error { r.badges = append(r.badges, s); return nil })
	fs.Func("index", "the place; may be repeated", func(s string) error {
		n, err := strconv.Atoi(s)
		r.indices = append(r.indices, n)
		return err
	})
	fs.BoolVar(&r.undo, "undo", false, "take them off the list again")
	fs.StringVar(&r.at, "at", "", "the time of issue (RFC 3339); default: now")
	fs.BoolVar(&r.renew, "renew", false, "sign the list anew, changed or not")
	spanFlag(fs, &r.life, "life", 0, "how long the list is good from now on; default: as long as before")
}

// badgeRevoke sets badges' places in a list of ours, or clears them, and signs the list anew.
func badgeRevoke(_ context.Context, w stdio, args []string) error {
	var r revoking
	rest, err := flags(w, "badge revoke", args, 1, r.declare)
	if err != nil {
		return err
	}
	if err := missing("--badge FILE, or --index N; --renew changes nothing but the dates", need{"--key", r.key != ""}, need{"--badge", r.renew || len(r.badges)+len(r.indices) > 0}); err != nil {
		return err
	}
	k, err := openbadge.ReadKey(r.key)
	if err != nil {
		return wrong("%w", err)
	}
	d, err := openList(rest[0], k)
	if err != nil {
		return err
	}
	if err := r.find(rest[0]); err != nil {
		return err
	}
	d.Set = r.change(d.Set)
	if r.life == 0 && !d.ValidUntil.IsZero() {
		r.life = d.ValidUntil.Sub(d.ValidFrom)
	}
	b, err := signList(d, k, r.at, r.life)
	if err != nil {
		return err
	}
	if err := wire.WriteFile(rest[0], b, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(w.out, "%s: %d of %d places are set\n", rest[0], len(d.Set), d.Size)
	return nil
}

// find looks up the places of the badges.
func (r *revoking) find(list string) error {
	taken, err := readPlaces(list)
	if err != nil {
		return err
	}
	for _, path := range r.badges {
		data, err := os.ReadFile(path)
		if err != nil {
			return wrong("%w", err)
		}
		v := openbadge.Verify(data, openbadge.Options{})
		if v.Badge == nil {
			return wrong("%s: %s", path, v.Why())
		}
		index := -1
		for n, id := range taken {
			if id == v.Badge.ID {
				index = n
			}
		}
		if index < 0 {
			return wrong("%s does not know the badge %s", placesOf(list), v.Badge.ID).hinted("--index names its place")
		}
		r.indices = append(r.indices, index)
	}
	return nil
}

func (r *revoking) change(set []int) []int {
	for _, n := range r.indices {
		at, there := slices.BinarySearch(set, n)
		switch {
		case r.undo && there:
			set = slices.Delete(set, at, at+1)
		case !r.undo && !there:
			set = slices.Insert(set, at, n)
		}
	}
	return set
}

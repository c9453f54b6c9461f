package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"portillon/openbadge"
	"portillon/wire"
)

// openList reads a status list that the key has signed.
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

// badgeStatusList runs «badge status-list», which creates a list without revoked badges. The list is a signed Bitstring
// Status List for revocation or suspension. Verifiers download the list from --id, so the file must be published there
// before a badge names it.
func badgeStatusList(_ context.Context, w stdio, args []string) error {
	var d openbadge.StatusListDraft
	var key, out, at string
	var life time.Duration
	if _, err := parseFlags(w, "badge status-list", args, 0, func(fs *flag.FlagSet) {
		fs.StringVar(&key, "key", "", "the issuer's key (badge keygen)")
		fs.StringVar(&d.ID, "id", "", "the https address at which the list will stand")
		fs.StringVar(&d.IssuerID, "issuer", "", "the issuer's id, as in the badges; default: the key's did:key")
		fs.StringVar(&d.Purpose, "purpose", "revocation", "revocation, or suspension")
		fs.IntVar(&d.Size, "size", openbadge.MinStatusEntries, "places in the list")
		spanFlag(fs, &life, "life", 0,
			"how long the list is good, as in 30d: sign it anew before (badge revoke --renew); default: no end")
		spanFlag(fs, &d.TTL, "ttl", 0, "how long others may keep it, as in 12h; default: not said")
		fs.StringVar(&at, "at", "", "the time of issue (RFC 3339); default: now")
		fs.StringVar(&out, "o", "", "the file")
	}); err != nil {
		return err
	}
	if err := missing("--key issuer.key --id https://lab.example/status/1 -o status-1.json", need{"--key", key != ""},
		need{"--id", d.ID != ""}, need{"-o", out != ""}); err != nil {
		return err
	}
	// Reject a key that is not the issuer's, because verifiers ignore a list that another key has signed.
	k, err := readIssuerKey(key)
	if err != nil {
		return wrong("%w", err)
	}
	b, err := signList(d, k, at, life)
	if err != nil {
		return err
	}
	return w.writeNewOut(out, b)
}

// signList signs a list. The argument at is the list's time of issue (RFC 3339, empty: now), and life is the duration
// of the list's validity (0: unlimited).
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

// revoking contains the flags of «badge revoke».
type revoking struct {
	key, at     string        // key: file of the key that signed the list; at: time at which the new list is issued
	badges      []string      // files of the badges
	indices     []int         // indices to change in the list
	undo, renew bool          // undo: clear the bits instead of setting them; renew: sign the list without a change
	life        time.Duration // duration of the new list's validity; 0: the same as before
}

// declare declares the flags.
func (r *revoking) declare(fs *flag.FlagSet) {
	fs.StringVar(&r.key, "key", "", "the key that signed the list")
	fs.Func("badge", "the badge, a file, which says its place; may be repeated",
		func(s string) error { r.badges = append(r.badges, s); return nil })
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

// badgeRevoke runs «badge revoke», which sets or clears the bits of badges in a status list, and signs the list again.
// Machines use the new list once they have the next bundle; other verifiers use it once it is published. The flag
// --renew signs a list without a change, for lists that expire (--life).
func badgeRevoke(_ context.Context, w stdio, args []string) error {
	var r revoking
	rest, err := parseFlags(w, "badge revoke", args, 1, r.declare)
	if err != nil {
		return err
	}
	if err := missing("--badge FILE, or --index N; --renew changes nothing but the dates", need{"--key", r.key != ""},
		need{"--badge", r.renew || len(r.badges)+len(r.indices) > 0}); err != nil {
		return err
	}
	k, err := readIssuerKey(r.key)
	if err != nil {
		return wrong("%w", err)
	}
	d, err := openList(rest[0], k)
	if err != nil {
		return err
	}
	if err := r.find(rest[0], d, k); err != nil {
		return err
	}
	d.Set = r.change(d.Set)
	// Without --life, the new list is valid for the same duration as the old list.
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

// find looks up the indices of the badges, in the register and in badges that this key has signed. find ignores badges
// that another key has signed, because anybody can write another badge's index into a file.
func (r *revoking) find(list string, d openbadge.StatusListDraft, k *openbadge.Key) error {
	taken, err := readPlaces(list)
	if err != nil {
		return err
	}
	for _, path := range r.badges {
		data, err := os.ReadFile(path)
		if err != nil {
			return wrong("%w", err)
		}
		v := openbadge.Verify(data, openbadge.Options{Trust: []openbadge.Issuer{{ID: d.IssuerID, Keys: []string{pinOf(k)}}}})
		if v.Badge == nil {
			return wrong("%s: %s", path, v.Why())
		}
		index := -1
		for n, id := range taken {
			if id == v.Badge.ID {
				index = n
			}
		}
		if own, ok := placeIn(v.Badge, d); index < 0 && ok && v.State == openbadge.Valid {
			index = own
		}
		if index < 0 {
			return wrong("%s has no badge %s, and the badge is not signed by this key with an index in %s", placesOf(list),
				v.Badge.ID, d.ID).
				hinted("--index gives the badge's index in the list")
		}
		r.indices = append(r.indices, index)
	}
	return nil
}

// change returns the sorted set after adding the indices, or with --undo after removing them.
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

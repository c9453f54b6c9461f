// Package keykind defines the kinds of keys of a site, and recognises the kind of a key by the key's name or form.
//
//	site     signs bundles                      portillon:site:biklab
//	policy   signs policy documents             portillon:policy:biklab; the site's key may be the policy key too
//	hub      signs acknowledgements, commands   portillon:hub:biklab; the site's key may be the hub's too; where a
//	                                            policy key is pinned apart, it may sign bundles
//	machine  signs a machine's checkpoints      portillon:machine:laser.biklab
//	issuer   signs badges                       a multikey, a DID, a JWK, PEM, the address of a document
//	card     makes card numbers unreadable      32 hexadecimal digits or more
//	AES      is on cards that prove themselves  32 hexadecimal digits
//
// The first four are keys of signed notes (golang.org/x/mod/sumdb/note). Keys made before names included the kind have
// an unknown kind. Check accepts a key of unknown kind in every place for a note key, and callers compare the key
// with other known keys (Same, PublicHalf). A card key and an AES key of 32 digits have the same form, so Check
// accepts both in both places.
//
// Errors of this package never quote a secret.
package keykind

import (
	"fmt"
	"regexp"
	"strings"
)

// Kind is the purpose of a key. The zero Kind means that the purpose is unknown.
type Kind uint8

// These are the kinds of keys.
const (
	Unknown Kind = iota
	Site
	Hub
	Machine
	Issuer
	Card
	AES
	Policy
)

var kindNames = [...]string{
	"key", "site key", "hub key", "machine key", "issuer key", "card key", "AES key", "policy key",
}

// String returns the kind's name in a sentence: "site key".
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return kindNames[Unknown]
	}
	return kindNames[k]
}

// prefix is the text with which the name of a note key begins if the name includes the kind.
const prefix = "portillon:"

// noteKinds maps the words in names of note keys to kinds.
var noteKinds = map[string]Kind{"site": Site, "hub": Hub, "machine": Machine, "policy": Policy}

// ids contains, for each kind, the pattern of the part of a key's name after the kind: the site, or machine.site.
var ids = map[Kind]*regexp.Regexp{
	Site:    regexp.MustCompile(`^` + slug + `$`),
	Hub:     regexp.MustCompile(`^` + slug + `$`),
	Machine: regexp.MustCompile(`^` + slug + `\.` + slug + `$`),
	Policy:  regexp.MustCompile(`^` + slug + `$`),
}

// slug is the pattern of the id of a site or a machine, as in yamlfile.
const slug = `[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?`

// Name returns the name for a new note key. The parameter id is SITE, or MACHINE.SITE for a machine.
func Name(k Kind, id string) (string, error) {
	form, ok := ids[k]
	if !ok {
		return "", fmt.Errorf("%s is not a kind of signing key, want site, policy, hub or machine", k)
	}
	if !form.MatchString(id) {
		want := "the site's id"
		if k == Machine {
			want = "MACHINE.SITE, as laser.biklab"
		}
		return "", fmt.Errorf("%.80q is not the id of a %s, want %s", id, strings.TrimSuffix(k.String(), " key"), want)
	}
	for word, kind := range noteKinds {
		if kind == k {
			return prefix + word + ":" + id, nil
		}
	}
	return "", fmt.Errorf("kind %s cannot be part of a key's name, want site, policy, hub or machine", k)
}

// KindOf returns the kind and the id in the name of a note key. For an older name, which does not include the kind,
// KindOf returns the kind Unknown.
func KindOf(name string) (k Kind, id string) {
	rest, ok := strings.CutPrefix(name, prefix)
	word, id, cut := strings.Cut(rest, ":")
	if k = noteKinds[word]; !ok || !cut || k == Unknown || !ids[k].MatchString(id) {
		return Unknown, ""
	}
	return k, id
}

// NoteKind returns the kind of signing key for a word: site, policy, hub or machine.
func NoteKind(word string) (Kind, bool) {
	k, ok := noteKinds[word]
	return k, ok
}

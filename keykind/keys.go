// Package keykind knows the kinds of keys that a site has, and recognises a key of another kind by its name or its
// form.
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
// The first four are keys of signed notes (golang.org/x/mod/sumdb/note). Their names were free before they began to
// say the kind: such an older key fits every place of a note key, and callers compare it with the other keys that they
// can see (Same, PublicHalf). A card key and an AES key of 32 digits have the same form: either fits both places.
//
// An error of this package never quotes a secret.
package keykind

import (
	"fmt"
	"regexp"
	"strings"
)

// Kind is what a key is for. The zero Kind is a key that does not say so.
type Kind uint8

// The kinds of keys.
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

// String is the kind as a sentence names it: "site key".
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return kindNames[Unknown]
	}
	return kindNames[k]
}

// prefix begins the name of a note key that says its kind.
const prefix = "portillon:"

// noteKinds are the words for kinds in names of note keys.
var noteKinds = map[string]Kind{"site": Site, "hub": Hub, "machine": Machine, "policy": Policy}

// ids are the forms of what a key's name says after the kind: the site, or machine.site.
var ids = map[Kind]*regexp.Regexp{
	Site:    regexp.MustCompile(`^` + slug + `$`),
	Hub:     regexp.MustCompile(`^` + slug + `$`),
	Machine: regexp.MustCompile(`^` + slug + `\.` + slug + `$`),
	Policy:  regexp.MustCompile(`^` + slug + `$`),
}

// slug is an id of a site or a machine, as yamlfile reads it.
const slug = `[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?`

// Name is the name of a new note key. id is the site, or for a machine MACHINE.SITE.
func Name(k Kind, id string) (string, error) {
	form, ok := ids[k]
	if !ok {
		return "", fmt.Errorf("%s: no kind of a signing key, want site, policy, hub or machine", k)
	}
	if !form.MatchString(id) {
		want := "the site's id"
		if k == Machine {
			want = "MACHINE.SITE, as laser.biklab"
		}
		return "", fmt.Errorf("%.80q names no %s, want %s", id, strings.TrimSuffix(k.String(), " key"), want)
	}
	for word, kind := range noteKinds {
		if kind == k {
			return prefix + word + ":" + id, nil
		}
	}
	return "", fmt.Errorf("%s has no word", k)
}

// KindOf reads the kind and the id in the name of a note key; Unknown where it is the name of an older key.
func KindOf(name string) (k Kind, id string) {
	rest, ok := strings.CutPrefix(name, prefix)
	word, id, cut := strings.Cut(rest, ":")
	if k = noteKinds[word]; !ok || !cut || k == Unknown || !ids[k].MatchString(id) {
		return Unknown, ""
	}
	return k, id
}

// NoteKind reads the word of a kind of signing key: site, policy, hub or machine.
func NoteKind(word string) (Kind, bool) {
	k, ok := noteKinds[word]
	return k, ok
}

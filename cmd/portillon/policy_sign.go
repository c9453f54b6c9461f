package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/keykind"
	"portillon/site"
	"portillon/wire"
)

// policySign runs «policy sign», which signs a policy with the policy key. The policy key may be stored on a computer
// that the hub cannot reach. Machines that pin a separate policy key reject every policy without this key's signature,
// so an attacker who controls the hub cannot change the policy. Each policy must have a higher number than the policy
// before.
func policySign(_ context.Context, w stdio, args []string) error {
	var key, cardKey, out string
	var number uint64
	rest, err := parseFlags(w, "policy sign", args, 1, func(fs *flag.FlagSet) {
		fs.StringVar(&key, "key", "", "the policy key")
		fs.StringVar(&cardKey, "card-key", "", "the site's key for card numbers; only where the policy says bindings: signed")
		fs.Uint64Var(&number, "number", 0, "the policy number, which must grow; default: the time, in seconds")
		fs.StringVar(&out, "o", "", "the file; default: ID.policy, after the site's id")
	})
	if err != nil {
		return err
	}
	now := time.Now()
	if number == 0 {
		number = uint64(now.Unix())
	}
	signer, err := readPolicyKey("--key", key)
	if err != nil {
		return err
	}
	o := site.Order{Version: 1, Issued: now, Expires: now, Policy: site.PolicyOrder{Number: number, Signer: signer}}
	if cardKey != "" {
		if o.CardKey, err = readCardKey(cardKey); err != nil {
			return err
		}
	}
	data, p, err := w.signPolicy(rest[0], o)
	if err != nil {
		return err
	}
	if out == "" {
		out = string(p.Site) + ".policy"
	}
	if err := wire.WriteFile(out, data, 0o600); err != nil {
		return err
	}
	fmt.Fprintf(w.out, "%s: site %s, %s\n", out, p.Site, policyWords(p, signer.Name()))
	return nil
}

// signPolicy signs a site's directory or a policy file. A policy file beside a members.yaml belongs to that site.
func (w stdio) signPolicy(path string, o site.Order) ([]byte, wire.SignedPolicy, error) {
	fail := func(err error) ([]byte, wire.SignedPolicy, error) { return nil, wire.SignedPolicy{}, err }
	dir, file := path, filepath.Join(path, "policy.yaml")
	if fi, err := os.Stat(path); err == nil && fi.Mode().IsRegular() {
		dir, file = filepath.Dir(path), path
	}
	p, err := readPolicy(file)
	if err != nil {
		return fail(err)
	}
	// Reject a policy that «bundle build» would reject.
	if err := checkPromises(p, filepath.Dir(file), o.Issued); err != nil {
		return fail(err)
	}
	if err := w.checkLaws(p, file, o.Issued); err != nil {
		return fail(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "members.yaml")); errors.Is(err, fs.ErrNotExist) && dir != path {
		text, err := os.ReadFile(file)
		if err != nil {
			return fail(wrong("%w", err))
		}
		data, signed, err := site.SignPolicyText(text, o.Policy.Number, o.Policy.Signer)
		return data, signed, err
	}
	s, err := site.ReadUnder(dir, file)
	if err != nil {
		return fail(err)
	}
	data, b, err := s.SignPolicy(o)
	if err != nil {
		return fail(err)
	}
	w.warn(b.Warnings)
	return data, b.Policy, nil
}

// readPolicyKey reads the private half of a policy key. readPolicyKey also accepts a site key.
func readPolicyKey(flag, path string) (note.Signer, error) {
	if path == "" {
		return nil, wrong("%s is missing", flag).hinted("portillon bundle keygen SITE --kind policy -o policy.key makes one")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, wrong("%w", err)
	}
	if err := checkKind(flag, path, string(b), keykind.Place{Kind: keykind.Policy, Private: true}); err != nil {
		return nil, err
	}
	s, err := note.NewSigner(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, wrong("%s is not a signing key", path).hinted("a signing key is one line that begins with PRIVATE+KEY+")
	}
	return s, nil
}

// policyFlags contains the flags of «bundle build» about the policy key.
type policyFlags struct {
	key, signed string // key: file of the policy key; signed: file of a signed policy
	number      uint64 // number of the policy; 0: use the time of issue as the number
}

// declare declares the flags.
func (p *policyFlags) declare(fs *flag.FlagSet) {
	fs.StringVar(&p.key, "policy-key", "", "the policy key, where machines pin one apart from --key")
	fs.Uint64Var(&p.number, "policy-number", 0,
		"with --policy-key, the policy number, which must grow; default: the time of issue, in seconds")
	fs.StringVar(&p.signed, "policy", "", "instead of --policy-key: the file that portillon policy sign wrote")
}

// isSeparate reports whether the site has a separate policy key. If the policy key is separate, a hub key may sign the
// bundles.
func (p *policyFlags) isSeparate() bool { return p.key != "" || p.signed != "" }

// signerKind returns the kind of the key that signs the bundle.
func (p *policyFlags) signerKind() keykind.Kind {
	if p.isSeparate() {
		return keykind.Hub
	}
	return keykind.Site
}

// addTo reads the policy key, or a policy that this key has signed, and adds it to the data for the bundle.
func (p *policyFlags) addTo(issued time.Time) (o site.PolicyOrder, err error) {
	switch {
	case p.key != "" && p.signed != "":
		return o, wrong("--policy-key and --policy are both given").
			hinted("--policy where the policy key is on another computer")
	case p.key != "":
		if o.Number = p.number; o.Number == 0 {
			o.Number = uint64(issued.Unix())
		}
		o.Signer, err = readPolicyKey("--policy-key", p.key)
	case p.number != 0:
		return o, wrong("--policy-number needs --policy-key")
	case p.signed != "":
		if o.Signed, err = os.ReadFile(p.signed); err != nil {
			return o, wrong("--policy: %w", err)
		}
	}
	return o, err
}

// policyWords describes a signed policy: the number, the key, and the other data that the signature covers.
func policyWords(p wire.SignedPolicy, key string) string {
	return fmt.Sprintf("policy number %d, signed by %s, %s, %s", p.Number, key,
		pick(p.Documents == "", "without documents", "with the issuers' documents"),
		pick(p.Bindings == "", "bindings are not signed", "bindings are signed"))
}

// policyInfo is a bundle's signed policy as JSON.
type policyInfo struct {
	Number   uint64 `json:"number"` // number of the policy; a newer policy has a higher number
	Key      string `json:"key"`    // name of the key
	Verified bool   `json:"verified"`
	Bindings bool   `json:"bindings"` // true: the members' cards and addresses are signed too
}

// policyOf reads the signed policy of a bundle, or returns nil for a bundle without one. The signature is verified if
// key is given.
func policyOf(m wire.Manifest, key string) (*policyInfo, string, error) {
	if key == "" && m.SignedPolicy == "" {
		return nil, "", nil
	}
	p, err := wire.PeekPolicy([]byte(m.SignedPolicy))
	if key != "" {
		if err := checkKind("--policy-pub", "", key, keykind.Place{Kind: keykind.Policy, ID: string(m.Site)}); err != nil {
			return nil, "", err
		}
		v, verr := note.NewVerifier(key)
		if verr != nil {
			return nil, "", wrong("--policy-pub: %.80q is not a verifier key", key)
		}
		p, err = m.CheckPolicy(note.VerifierList(v))
	}
	if err != nil {
		return nil, "", err
	}
	by := wire.PolicyKeyName(m.SignedPolicy)
	if key == "" {
		by += " (not verified: portillon bundle verify --policy-pub)"
	}
	info := policyInfo{
		Number:   p.Number,
		Key:      wire.PolicyKeyName(m.SignedPolicy),
		Verified: key != "",
		Bindings: p.Bindings != "",
	}
	return &info, policyWords(p, by), nil
}

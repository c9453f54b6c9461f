package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"portillon/openbadge"
)

// badgeKeygen runs «badge keygen», which creates an issuer's key and, with --did-web, the DID document to publish. The
// key file has mode 0600 and is never overwritten. The command prints the key's public name, or the did:web.
func badgeKeygen(_ context.Context, w stdio, args []string) error {
	var out, text, web, document string
	var rsa bool
	if _, err := parseFlags(w, "badge keygen", args, 0, func(fs *flag.FlagSet) {
		fs.StringVar(&out, "o", "", "the file for the key (mode 0600)")
		fs.StringVar(&text, "note", "", "a line in the file for people: whose key this is")
		fs.BoolVar(&rsa, "rsa", false, "an RSA key of 3072 bits, which signs VC-JWTs with RS256; default: Ed25519")
		fs.StringVar(&web, "did-web", "", "the host, or host/path, of the did:web that the issuer will be")
		fs.StringVar(&document, "document", "", "with --did-web: the file for the DID document, to be published")
	}); err != nil {
		return err
	}
	if err := missing("-o issuer.key; --document did.json goes with --did-web", need{"-o", out != ""},
		need{"--document", web == "" || document != ""}); err != nil {
		return err
	}
	// Check the did:web before the key is written.
	did, address, err := webDID(web)
	if err != nil {
		return err
	}
	k, err := generate(rsa, text)
	if err != nil {
		return err
	}
	b, err := k.MarshalText()
	if err != nil {
		return err
	}
	if err := writeNew(out, b); err != nil {
		return err
	}
	if web == "" {
		fmt.Fprintln(w.out, k)
		return nil
	}
	return w.publish(did, address, document, k)
}

// webDID returns the did:web of a host, and the address at which its document must be published. If --did-web is not
// given, both results are empty.
func webDID(web string) (did, address string, err error) {
	if web == "" {
		return "", "", nil
	}
	if did, address, err = openbadge.WebDID(web); err != nil {
		return "", "", wrong("--did-web: %w", err).hinted("lab.example, or lab.example/badges")
	}
	return did, address, nil
}

// generate creates an Ed25519 key, or with rsa an RSA key of 3072 bits. The argument note becomes a comment in the
// key's file.
func generate(rsa bool, note string) (*openbadge.Key, error) {
	if rsa {
		return openbadge.GenerateRSAKey(note)
	}
	return openbadge.GenerateKey(note)
}

// publish writes the DID document of a new key, and prints the address at which it must be published.
func (w stdio) publish(did, address, path string, k *openbadge.Key) error {
	doc, err := openbadge.DIDDocument(did, k)
	if err != nil {
		return err
	}
	fmt.Fprintln(w.out, did)
	if err := w.writeNewOut(path, doc); err != nil {
		return err
	}
	fmt.Fprintf(w.out, "publish it at %s\n", address)
	return nil
}

// badgePublish runs «badge publish», which writes the document in which verifiers look up an issuer's keys. The flag
// --key may be given several times, because an old key must stay published while badges that were signed with it are
// valid. The flag --form selects a DID document, a profile (Open Badges 3.0 issuer) or a JWKS; the default depends on
// the issuer's id.
func badgePublish(_ context.Context, w stdio, args []string) error {
	var issuer, name, form, out string
	var force bool
	var keys []*openbadge.Key
	_, err := parseFlags(w, "badge publish", args, 0, func(fs *flag.FlagSet) {
		fs.Func("key", "an issuer's key (badge keygen); may be repeated: old badges need the old key", func(s string) error {
			k, err := readIssuerKey(s)
			keys = append(keys, k)
			return err
		})
		fs.StringVar(&issuer, "issuer", "", "the issuer's id: a did:web, or an https address")
		fs.StringVar(&name, "issuer-name", "", "the issuer's name, in a profile")
		fs.StringVar(&form, "form", "", "did, profile or jwks; default: a DID's document, or an address's profile")
		fs.StringVar(&out, "o", "", "the file; default: standard output")
		fs.BoolVar(&force, "force", false, "write over a file that exists")
	})
	if err != nil {
		return err
	}
	if err := missing("--issuer did:web:lab.example --key issuer.key", need{"--key", len(keys) > 0},
		need{"--issuer", issuer != ""}); err != nil {
		return err
	}
	if form == "" {
		form = "profile"
		if strings.HasPrefix(issuer, "did:") {
			form = "did"
		}
	}
	var b []byte
	switch form {
	case "did":
		b, err = openbadge.DIDDocument(issuer, keys...)
	case "profile":
		b, err = openbadge.Profile(issuer, name, keys...)
	case "jwks":
		b, err = openbadge.JWKS(issuer, keys...)
	default:
		return wrong("--form: %q is no form", form).hinted("did, profile or jwks")
	}
	if err != nil {
		return wrong("%w", err)
	}
	return w.writeOut(out, b, force)
}

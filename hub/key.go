package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/mod/sumdb/note"

	"portillon/keykind"
	"portillon/wire"
	"portillon/yamlfile"
)

// publicHalf returns the verifier that belongs to a signing key in the text format of the note package.
func publicHalf(skey string) (note.Verifier, error) {
	vkey, err := keykind.PublicHalf(skey)
	if err != nil {
		return nil, err
	}
	return note.NewVerifier(vkey)
}

// storeKeyLine stores at which line of the file the hub's key is configured, for errors when the key is read later.
func storeKeyLine(c *Config, r yamlfile.Node) {
	if line := r.Get("key").Line(); line > 0 {
		c.keyAt = strconv.Itoa(line)
	}
}

// rejectSharedKey adds a fault for each machine's key that is also the key of bundles. rejectSharedKey compares the
// keys, not their names, because the names of older keys do not contain the kind of the key.
func rejectSharedKey(r yamlfile.Node) {
	site := r.Get("bundle").Get("key")
	for _, e := range r.Get("machines").Pairs() {
		k := e.Value.Get("key")
		if site.IsScalar() && k.IsScalar() && keykind.Same(k.Str(), site.Str()) {
			k.Fault("the line that keygen printed for this machine", "the machine key %q is the site key too (%s: %q)",
				keykind.NameOf(k.Str()), site.Path(), keykind.NameOf(site.Str()))
			site.Fault("the line that keygen printed for the site", "the site key %q is a machine key too (%s: %q)",
				keykind.NameOf(site.Str()), k.Path(), keykind.NameOf(k.Str()))
		}
	}
}

// rightKey returns an error if the hub's key is a key of another kind, or also a machine's key.
func (c Config) rightKey(text string) error {
	at := "key"
	if c.keyAt != "" {
		at = c.keyAt + ": key"
	}
	if err := (keykind.Place{Kind: keykind.Hub, Private: true, ID: string(c.Site)}).Check(text); err != nil {
		return fmt.Errorf("%s: %s: %w", at, c.Key, err)
	}
	v, err := publicHalf(text)
	if err != nil {
		return nil // return no error, because the caller reports that the text is not a signing key
	}
	for _, m := range c.Machines {
		if m.Key != nil && m.Key.Name() == v.Name() && m.Key.KeyHash() == v.KeyHash() {
			return fmt.Errorf("%s: %s: the hub key %q is a machine key too (machines.%s.key: %q), want a key that the hub "+
				"alone has", at, c.Key, v.Name(), m.ID, m.Key.Name())
		}
	}
	return nil
}

// Check checks the files that hub.yaml names: the hub's key, and the signature of the bundle. A missing bundle file is
// not an error.
func (c Config) Check() error {
	_, err := c.Signer()
	return errors.Join(err, c.checkBundle())
}

// checkBundle returns an error with the signer's name if the hub would refuse the bundle file.
func (c Config) checkBundle() error {
	if c.Bundle.File == "" || c.Bundle.Key == nil {
		return nil
	}
	f, err := os.Open(c.Bundle.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("bundle: file: %w", err)
	}
	defer f.Close()
	text, m, err := wire.Peek(f)
	if err != nil {
		return fmt.Errorf("bundle: file: %s: %w", c.Bundle.File, err)
	}
	if _, err := wire.OpenManifest([]byte(text), note.VerifierList(c.Bundle.Key)); err != nil {
		return fmt.Errorf("bundle: file: %s: %w", c.Bundle.File, c.bySigner(err, []byte(text)))
	}
	if keys := c.Bundle.policyKeys(); keys != nil {
		if _, err := m.CheckPolicy(keys); err != nil {
			return fmt.Errorf("bundle: file: %s: %w; want the policy key %q (bundle: policy-key)", c.Bundle.File, err,
				c.Bundle.Policy.Name())
		}
	}
	if m.Site != c.Site {
		return fmt.Errorf("bundle: file: bundle %s belongs to site %q, want site %q", c.Bundle.File, m.Site, c.Site)
	}
	return nil
}

// policyKeys returns the separate policy keys that machines pin; nil: there are none.
func (b BundleConfig) policyKeys() note.Verifiers {
	if b.Policy == nil {
		return nil
	}
	return note.VerifierList(b.Policy)
}

// bySigner adds to the error of a refused bundle the key that signed the bundle and the key that must sign it.
func (c Config) bySigner(err error, manifest []byte) error {
	var r *wire.Refusal
	if !errors.As(err, &r) || r.Code != "bad-signature" {
		return err
	}
	for _, m := range c.Machines {
		if _, merr := wire.OpenManifest(manifest, note.VerifierList(m.Key)); merr == nil {
			return fmt.Errorf(
				"%w, the key of the machine %s; want the site key %q (bundle: key)",
				err,
				m.ID,
				c.Bundle.Key.Name(),
			)
		}
	}
	return fmt.Errorf("%w; want the site key %q (bundle: key)", err, c.Bundle.Key.Name())
}

// PublicKey returns the public half of the hub's key, in the form that machines have under mqtt: hub-key.
func (c Config) PublicKey() (string, error) {
	b, err := os.ReadFile(c.Key)
	if err != nil {
		return "", err
	}
	return keykind.PublicHalf(string(b))
}

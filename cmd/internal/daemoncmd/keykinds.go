package daemoncmd

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"portillon/keykind"
	"portillon/wire"
	"portillon/yamlfile"
)

// checkKeyKind adds an error if a public key is of the wrong kind.
func checkKeyKind(n yamlfile.Node, p keykind.Place) {
	if !n.Present() || !n.IsScalar() {
		return
	}
	if err := p.Check(n.Str()); err != nil {
		n.Fault("", "%v", err)
	}
}

// remember stores the line numbers of the fields that name keys, because checks that read the key files later name
// these lines in their errors.
func (c *Config) remember(path string, root yamlfile.Node) {
	c.path, c.lines = path, map[string]int{"card-key": root.Get("card-key").Line(),
		"machine-key": root.Get("machine-key").Line(), "reader: aes-key": root.Get("reader").Get("aes-key").Line(),
		"policy-key":  root.Get("policy-key").Line(),
		"bundle: key": root.Get("bundle").Get("key").Line(), "mqtt: hub-key": root.Get("mqtt").Get("hub-key").Line()}
}

// positionOf returns the position of a field, for example laser.yaml:7: card-key.
func (c Config) positionOf(field string) string {
	if c.lines[field] == 0 {
		return field
	}
	return fmt.Sprintf("%s:%d: %s", c.path, c.lines[field], field)
}

// requiredKind returns the kind of key that a field needs.
func (c Config) requiredKind(field string) keykind.Place {
	switch field {
	case "card-key":
		return keykind.Place{Kind: keykind.Card, Private: true}
	case "reader: aes-key":
		return keykind.Place{Kind: keykind.AES, Private: true}
	}
	return keykind.Place{Kind: keykind.Machine, Private: true, ID: c.Machine + "." + c.Site}
}

// requireKind returns an error if a key file contains a key of another kind than the field needs.
func (c Config) requireKind(field, named, text string) error {
	if err := c.requiredKind(field).Check(text); err != nil {
		return fmt.Errorf("%s: %s: %w", c.positionOf(field), named, err)
	}
	return nil
}

// requireDifferent returns an error for each pair of keys that must differ but are the same. The names of keys from
// older releases do not contain the kind of the key, so requireDifferent compares the keys themselves. The caller
// passes an empty argument for a key that could not be read.
func (c Config) requireDifferent(machine, card, aes string) (errs []error) {
	if public, err := keykind.PublicHalf(machine); err == nil {
		for _, x := range [...]struct{ field, what, key string }{
			{"bundle: key", "site key", c.Bundle.Key}, {"mqtt: hub-key", "hub key", c.MQTT.HubKey},
			{"policy-key", "policy key", c.PolicyKey}} {
			if keykind.Same(public, x.key) {
				errs = append(errs, fmt.Errorf("%s: %s: the machine key %q is the %s too (%s: %q), want a key that "+
					"this machine alone has",
					c.positionOf("machine-key"), c.MachineKey, keykind.NameOf(public), x.what, c.positionOf(x.field),
					keykind.NameOf(x.key)))
				break
			}
		}
	}
	if a, err := hex.DecodeString(aes); err == nil && len(a) > 0 && strings.EqualFold(card, aes) {
		errs = append(errs, fmt.Errorf("%s: %s: card key (%s) and AES key are the same key, want two different keys",
			c.positionOf("reader: aes-key"), c.Reader.AESKey(), c.CardKey))
	}
	return errs
}

// isWrongKey reports whether a bundle was rejected because of a key: the bundle is signed by another key or built with
// another card key, or its policy is not signed by the policy key or is older than the policy in force.
func isWrongKey(err error) bool {
	var card *wire.OtherCardKey
	var r *wire.Refusal
	return errors.As(err, &card) || errors.As(err, &r) && r.Code == "bad-signature" || wire.IsPolicyRefusal(err)
}

// withExpectedKey adds the expected key to the error about a rejected bundle.
func (c Config) withExpectedKey(err error) error {
	var r *wire.Refusal
	if err == nil || !errors.As(err, &r) {
		return err
	}
	if r.Code == wire.PolicyUnsigned {
		return fmt.Errorf("%w, want %q (policy-key)", err, keykind.NameOf(c.PolicyKey))
	}
	if r.Code != "bad-signature" {
		return err
	}
	return fmt.Errorf("%w, want %q (bundle: key)", err, keykind.NameOf(c.Bundle.Key))
}

// checkCardKey compares the card key with the bundle in force.
func (c Config) checkCardKey(k keys) error {
	m, err := c.store(k).Current()
	if err != nil {
		return nil // return no error, because another check reports this fault
	}
	if _, _, err := wire.ChooseCardKey(m, k.cardKeyRing()...); err != nil {
		return fmt.Errorf("%s: bundle version %d does not fit the card key: %w", c.positionOf("card-key"), m.Version, err)
	}
	return nil
}

// wrongKeyText returns a text for an operator about a bundle that was rejected because of a key, or "" for other
// errors.
func wrongKeyText(err error) string {
	if err == nil || !isWrongKey(err) {
		return ""
	}
	return err.Error()
}

// ReadCardKey returns the card key for a command outside the systemd unit, or nil if the key cannot be read.
func (c Config) ReadCardKey(store string) []byte {
	text, err := secrets{store: store, instance: c.instance}.read("card-key", c.CardKey)
	if err != nil {
		return nil
	}
	b, err := hex.DecodeString(text)
	if err != nil {
		return nil
	}
	return b
}

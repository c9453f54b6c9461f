package wire

import "path/filepath"

// policyFloorFile holds the document with the highest policy number that was ever installed here. It is kept apart
// from the manifests, so that it outlives a return to the manifest before.
const policyFloorFile = "policy.highest"

// mayFollow refuses a manifest that must not take the place of what is installed.
func (s Store) mayFollow(m Manifest) error {
	if err := m.Follows(s.floor(), s.Site); err != nil || s.Policy == nil {
		return err
	}
	p, err := m.CheckPolicy(s.Policy)
	if err != nil {
		return err
	}
	return p.replaces(s.PolicyFloor())
}

// PolicyFloor is the signed policy with the highest number that was installed here, under the policy keys of today; the
// zero SignedPolicy where there is none. A damaged file counts as none: the manifests in the store know their number
// too.
func (s Store) PolicyFloor() SignedPolicy {
	if s.Policy == nil {
		return SignedPolicy{}
	}
	var texts []string
	if b, err := readFile(filepath.Join(s.Dir, policyFloorFile), MaxSigned); err == nil {
		texts = append(texts, string(b))
	}
	for _, manifest := range []func() (Manifest, error){s.Current, s.Previous} {
		if m, err := manifest(); err == nil {
			texts = append(texts, m.SignedPolicy)
		}
	}
	var highest SignedPolicy
	for _, t := range texts {
		if p, err := OpenPolicy([]byte(t), s.Policy); err == nil && p.Site == s.Site && p.Number > highest.Number {
			highest = p
		}
	}
	return highest
}

// keepPolicy keeps the policy document of a manifest that comes into force. It is written before the manifest: a power
// cut in between leaves a floor that is too high for nothing but an older policy.
func (s Store) keepPolicy(m Manifest) error {
	if s.Policy == nil || m.SignedPolicy == "" {
		return nil
	}
	return s.put(policyFloorFile, []byte(m.SignedPolicy))
}

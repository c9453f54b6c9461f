package wire

import "path/filepath"

// policyFloorFile is the name of the file that contains one policy document: of all documents that were ever installed
// on this machine, the one with the highest policy number. The file is separate from the manifests, so that the
// document stays known if the machine returns to the previous manifest.
const policyFloorFile = "policy.highest"

// checkFollows returns an error unless m may replace the manifest that is installed.
func (s Store) checkFollows(m Manifest) error {
	if err := m.Follows(s.floor(), s.Site); err != nil || s.Policy == nil {
		return err
	}
	p, err := m.CheckPolicy(s.Policy)
	if err != nil {
		return err
	}
	return p.mayReplace(s.PolicyFloor())
}

// PolicyFloor returns the signed policy with the highest number that was installed here under the current policy keys.
// If there is none, it returns the zero SignedPolicy. If the file is damaged, PolicyFloor treats it as absent, because
// the manifests in the store contain policy numbers too.
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

// storePolicy stores the policy document of a manifest that is being installed. This happens before the manifest itself
// is written. If the power is cut between the two writes, the stored policy is newer than the manifest, and only
// policies older than the stored one are refused.
func (s Store) storePolicy(m Manifest) error {
	if s.Policy == nil || m.SignedPolicy == "" {
		return nil
	}
	return s.writeFile(policyFloorFile, []byte(m.SignedPolicy))
}

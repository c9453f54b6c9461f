// Package site is a site as a directory that fits in git, and how it becomes a bundle.
//
//	policy.yaml     who may do what
//	members.yaml    members, their cards and addresses
//	badges/         credentials as they were issued: .json and .jwt
//	status/         the issuers' status lists, as they were read: .json
//
// Read reports every fault of the two YAML files at once. Build verifies every credential, finds the member it was issued
// to, and signs all of it. A credential that does not count is no fault of the site: it stands in the warnings, with the reason.
package site

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"portillon/openbadge"
	"portillon/policy"
	"portillon/policy/file"
	"portillon/yamlfile"
)

// Site is a directory, read.
type Site struct {
	Policy  *policy.Policy
	Members []Member
	Badges  []File
	Status  []File
	Web     *openbadge.Directory // documents/: copies of what badges rest on, as it stands on the web
	text    []byte               // policy.yaml as it stands: the machine reads the same bytes
}

// Member is a line of members.yaml.
type Member struct {
	ID       policy.MemberID
	Name     string
	Language string
	Emails   []string
	Subjects []string
	Cards    []string // card numbers, in hexadecimal
	Blocked  bool
}

// File is a file of badges/ or status/.
type File struct {
	Name string // badges/lea-laser-user.json
	Data []byte
}

// maxFile bounds a file of badges/ or status/, in bytes: a status list may have as many.
const maxFile = openbadge.MaxListBytes

// Read reads the directory. The error holds every fault of the YAML file that stands in the way.
func Read(dir string) (*Site, error) { return ReadUnder(dir, filepath.Join(dir, "policy.yaml")) }

// ReadUnder reads the directory as it would be with another policy file.
func ReadUnder(dir, policyFile string) (*Site, error) {
	text, err := os.ReadFile(policyFile)
	if err != nil {
		return nil, fmt.Errorf("a site's directory holds policy.yaml, members.yaml and badges/: %w", err)
	}
	p, err := file.Parse(policyFile, text)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "members.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &Site{Policy: p, text: text}
	if s.Members, err = ParseMembers(path, data); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "badges")); err != nil {
		return nil, fmt.Errorf("without badges/ nobody could use a machine: %w", err)
	}
	if s.Badges, err = files(dir, "badges", ".json", ".jwt", ".png", ".svg"); err != nil {
		return nil, err
	}
	if s.Status, err = files(dir, "status", ".json"); err != nil {
		return nil, err
	}
	s.Web, err = documents(filepath.Join(dir, "documents"))
	return s, err
}

// documents opens the folder of documents. One that is not there holds nothing.
func documents(dir string) (*openbadge.Directory, error) {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return &openbadge.Directory{}, nil
	}
	return openbadge.OpenDirectory(dir)
}

// files reads a folder's files in the order of their names. A folder that is not there is empty.
func files(dir, sub string, endings ...string) ([]File, error) {
	entries, err := os.ReadDir(filepath.Join(dir, sub))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []File
	for _, e := range entries {
		name := sub + "/" + e.Name()
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || !slices.Contains(endings, filepath.Ext(e.Name())) {
			continue
		}
		fi, err := e.Info()
		if err != nil {
			return nil, err
		}
		if fi.Size() > maxFile {
			return nil, fmt.Errorf("%s: %d bytes, at most %d", name, fi.Size(), maxFile)
		}
		b, err := os.ReadFile(filepath.Join(dir, sub, e.Name()))
		if err != nil {
			return nil, err
		}
		out = append(out, File{name, b})
	}
	return out, nil
}

// ParseMembers reads members.yaml; name stands in its faults. Faults never quote a card's number.
func ParseMembers(name string, data []byte) ([]Member, error) {
	d := yamlfile.Parse(name, data).Private()
	r := d.Root().Only("portillon", "members")
	r.Get("portillon").Required().Int(1, 1)
	ids, cards := map[policy.MemberID]string{}, map[string]string{}
	var out []Member
	for _, n := range r.Get("members").Required().List() {
		m := parseMember(n)
		if other, twice := ids[m.ID]; twice && m.ID != "" {
			n.Get("id").Fault("", "%q is %s already", m.ID, other)
		}
		ids[m.ID] = n.Path()
		for i, c := range m.Cards {
			if other, twice := cards[c]; twice {
				n.Get("cards").Fault("one card, one member", "card %d is %s's already", i+1, other)
			}
			cards[c] = n.Path()
		}
		out = append(out, m)
	}
	return out, d.Err()
}

func parseMember(n yamlfile.Node) Member {
	n.Only("id", "name", "language", "email", "emails", "subject", "subjects", "card", "cards", "blocked")
	m := Member{ID: policy.MemberID(n.Get("id").Required().Slug()), Name: n.Get("name").Required().Str(),
		Language: n.Get("language").OneOf("fr", "en"), Blocked: n.Get("blocked").Bool(),
		Emails:   append(n.Get("email").Strs(), n.Get("emails").Strs()...),
		Subjects: append(n.Get("subject").Strs(), n.Get("subjects").Strs()...)}
	for i, e := range m.Emails {
		if !strings.Contains(e, "@") {
			n.Get("emails").Fault("", "address %d has no @: %q", i+1, e)
		}
	}
	for _, key := range []string{"card", "cards"} {
		for i, c := range n.Get(key).Strs() {
			hex, ok := cardNumber(c)
			if !ok {
				n.Get(key).Fault("the number in hexadecimal, 1 to 10 bytes, in quotes: \"04A1B2C3D4\"; as a USB reader types it: \"dec:0012345678\"", "card %d is not a card's number", i+1)
				continue
			}
			m.Cards = append(m.Cards, hex)
		}
	}
	return m
}

// cardNumber is the one way to write a number: upper-case hexadecimal, no separators. «dec:» is the number as a reader that works as
// a keyboard types it: in decimal, of four bytes or as many as it needs.
func cardNumber(s string) (string, bool) {
	if digits, decimal := strings.CutPrefix(s, "dec:"); decimal {
		n, ok := new(big.Int).SetString(digits, 10)
		if !ok || strings.Trim(digits, "0123456789") != "" || n.BitLen() > 80 {
			return "", false
		}
		return strings.ToUpper(hex.EncodeToString(n.FillBytes(make([]byte, max(4, (n.BitLen()+7)/8))))), true
	}
	s = strings.ToUpper(strings.NewReplacer(":", "", " ", "", "-", "").Replace(s))
	if len(s) == 0 || len(s)%2 != 0 || len(s) > 20 || strings.Trim(s, "0123456789ABCDEF") != "" {
		return "", false
	}
	return s, true
}

// Package site reads a site from a directory, which can be a git repository, and builds a signed bundle of the site.
//
//	policy.yaml     who may do what
//	members.yaml    members, their cards and addresses
//	badges/         credentials as issued: .json, .jwt, and baked .png and .svg; subfolders are read too
//	status/         the issuers' status lists, as downloaded: .json
//
// Card numbers in members.yaml have the form that rfid.ParseCard accepts. A machine recognises a card by its number,
// which always has priority, and by the forms of the number that other readers report (rfid.Forms), if a form belongs
// to only one member:
//
//   - Reversed bytes: on every machine. The reversal loses no bits, so the only other card that is accepted is the one
//     whose number has the same bytes in reverse.
//   - Short forms of a whole number (the last 24 or 32 bits): only on a machine whose reader reports short numbers,
//     which is 26-bit Wiegand or a USB reader. On such a machine, a stranger's card has a member's rights if the last
//     24 bits of both cards are equal: 1 in 16,777,216 for each listed card, twice that for a card of four bytes, whose
//     order is not known; with 300 cards, up to 1 in 28,000 strangers. The machine cannot distinguish such cards. If
//     that risk is too high, use a reader that reports the whole number, or cards that prove a key («card: aes» in the
//     policy).
//   - Parts in members.yaml (dec:, wiegand26:, wiegand34:): on every machine, for every whole number that ends in the
//     part, because the person who listed the part knew no more of the card's number. An entry with wiegand26: accepts
//     one card in 16,777,216, at every reader.
//
// A card that was enrolled by its code is listed as hmac: and 64 hexadecimal digits, because the site does not know the
// card's number. Machines recognise the card by the number and by the number with reversed bytes. The card has no short
// forms, so it must be enrolled again for each kind of reader that reports other digits.
//
// Numbers of seven and ten bytes have no short forms, because the short number that some readers report for such a card
// consists of the manufacturer's byte and only two more bytes.
//
// Read returns all faults of the two YAML files together. Build verifies every credential, finds the recipient among
// the members, and signs the bundle. If a credential is invalid, Build returns no error but adds a warning with the
// reason.
package site

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"portillon/openbadge"
	"portillon/policy"
	"portillon/policy/file"
	"portillon/wire"
	"portillon/yamlfile"
)

// Site is the content of a site's directory.
type Site struct {
	Policy  *policy.Policy
	Members []Member
	Badges  []File
	Status  []File
	// Load reads a file of Badges that has a Hash but no Data. Load may be nil if all files have Data.
	Load       func(hash string) ([]byte, error)
	Skipped    []string           // one sentence for each file of badges/ and status/ that Read has skipped
	Web        openbadge.Resolver // copies of web documents in documents/; nil: there are none
	recipients *recipients        // index of the members by which Owner finds a recipient; set by the first call of Owner
	text       []byte             // content of policy.yaml
}

// Member is an entry of members.yaml.
type Member struct {
	ID       policy.MemberID
	Name     string
	Language string
	Emails   []string
	Subjects []string
	Cards    []string // active cards, as numbers in hexadecimal or as hmac: entries
	// Parts lists the elements of Cards that may be only the printed part of a card's number, from entries with dec:,
	// wiegand26: or wiegand34:.
	Parts    []string
	Badges   []string // file names of badges, needed if the recipient in a badge does not identify the member
	Blocked  bool
	Until    policy.Date    // last day of the membership; zero: no end
	Inactive []InactiveCard // lost, blocked and replaced cards
}

// File is a file of badges/ or status/.
type File struct {
	Name string // path in the site's directory, such as badges/lea-laser-user.json
	Data []byte
	Hash string // SHA-256 in hexadecimal, by which Site.Load returns the bytes if Data is nil
}

// sha returns the SHA-256 of the file's bytes. If the file has a Hash, sha returns the Hash, which Site.bytes
// verifies.
func (f File) sha() string {
	if f.Data == nil && f.Hash != "" {
		return f.Hash
	}
	return wire.Hash(f.Data)
}

// damagedFile is the error for a file whose bytes do not match its Hash.
type damagedFile struct{ name, sha string }

func (e *damagedFile) Error() string { return e.name + ": file content does not match the stored hash" }

// bytes returns a file's bytes. If the bytes are not in memory, bytes calls Load.
func (s *Site) bytes(f File) ([]byte, error) {
	if f.Data != nil || f.Hash == "" {
		return f.Data, nil
	}
	if s.Load == nil {
		return nil, fmt.Errorf("%s: file has only a hash, but the site has no function to load the file", f.Name)
	}
	b, err := s.Load(f.Hash)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	if wire.Hash(b) != f.Hash {
		return nil, &damagedFile{f.Name, f.Hash}
	}
	return b, nil
}

// Text returns the content of policy.yaml.
func (s *Site) Text() []byte { return s.text }

// Read reads a site's directory. The error lists every fault of its YAML files.
func Read(dir string) (*Site, error) { return ReadUnder(dir, filepath.Join(dir, "policy.yaml")) }

// ReadUnder is like Read, but reads the policy from policyFile instead of the directory.
func ReadUnder(dir, policyFile string) (*Site, error) {
	text, err := os.ReadFile(policyFile)
	if err != nil {
		return nil, fmt.Errorf("site's directory is incomplete, want policy.yaml, members.yaml and badges/: %w", err)
	}
	p, err := file.Parse(policyFile, text)
	if err != nil {
		return nil, err
	}
	members := filepath.Join(dir, "members.yaml")
	data, err := os.ReadFile(members)
	if err != nil {
		return nil, err
	}
	s := &Site{Policy: p, text: text}
	if s.Members, err = ParseMembers(members, data); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "badges")); err != nil {
		return nil, fmt.Errorf("badges/ is missing, without which nobody could use a machine: %w", err)
	}
	badges, err := readFolder(dir, "badges", ".json", ".jwt", ".png", ".svg")
	if err != nil {
		return nil, err
	}
	status, err := readFolder(dir, "status", ".json")
	if err != nil {
		return nil, err
	}
	s.Badges, s.Status, s.Skipped = badges.files, status.files, append(badges.skipped, status.skipped...)
	s.Web, err = documents(filepath.Join(dir, "documents"))
	return s, err
}

// documents opens the folder of documents. If the folder does not exist, documents returns no documents.
func documents(dir string) (*openbadge.Directory, error) {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return &openbadge.Directory{}, nil
	}
	return openbadge.OpenDirectory(dir)
}

// ParseMembers parses members.yaml. The faults begin with name. Faults quote a card's number only if it has ten digits,
// which may be decimal or hexadecimal.
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
		for i, c := range m.allNumbers() {
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
	n.Only("id", "name", "language", "email", "emails", "subject", "subjects", "card", "cards", "badges", "blocked",
		"until")
	m := Member{
		Badges:   n.Get("badges").Strs(),
		ID:       policy.MemberID(n.Get("id").Required().Slug()),
		Name:     n.Get("name").Required().Str(),
		Language: n.Get("language").OneOf("fr", "en"),
		Blocked:  n.Get("blocked").Bool(),
		Until:    parseDay(n.Get("until")),
		Emails:   append(n.Get("email").Strs(), n.Get("emails").Strs()...),
		Subjects: append(n.Get("subject").Strs(), n.Get("subjects").Strs()...),
	}
	if name, err := tidyText(m.Name); err != nil {
		n.Get("name").Fault("", "the name cannot be used: %v", err)
	} else {
		m.Name = name
	}
	for i, e := range m.Emails {
		address, err := tidyText(e)
		switch {
		case err != nil:
			n.Get("emails").Fault("", "address %d cannot be used: %v", i+1, err)
		case !strings.Contains(address, "@") || strings.Contains(address, " "):
			n.Get("emails").Fault("as lea@example.org", "address %d is no e-mail address: %q", i+1, e)
		}
		m.Emails[i] = address
	}
	for i, b := range m.Badges {
		if m.Badges[i] = path.Clean(b); !strings.HasPrefix(m.Badges[i], "badges/") {
			n.Get("badges").Fault("badges/lea.json", "%q is no file of badges/", b)
		}
	}
	for _, key := range []string{"card", "cards"} {
		for i, c := range cardEntries(n.Get(key)) {
			if hmac, ok := parseHMAC(c.number); ok {
				m.keep(hmac, false, c)
				continue
			}
			number, ok := parseCard(n.Get(key), i, c.number)
			if !ok {
				continue
			}
			m.keepCard(number, c)
		}
	}
	return m
}

// Package site is a site as a directory that fits in git, and how it becomes a bundle.
//
//	policy.yaml     who may do what
//	members.yaml    members, their cards and addresses
//	badges/         credentials as they were issued: .json, .jwt, and baked .png and .svg; in folders too
//	status/         the issuers' status lists, as they were read: .json
//
// A card is written in members.yaml as rfid.ParseCard reads it. A machine finds it by the number itself, which always
// has precedence, and by the forms that other readers give of it (rfid.Forms), if they lead to one member alone:
//
//   - Bytes reversed: everywhere. No bit is lost, so the only other card that this admits is the one whose number has
//     the same bytes in reverse.
//   - Short forms of a whole number (the last 24 or 32 bits): only at a machine whose reader gives short numbers by
//     itself, 26-bit Wiegand or a USB reader. There a stranger's card opens with a member's rights if it has the same
//     last 24 bits: 1 in 16,777,216 for each card of the list, twice that for a card of four bytes, whose order is not
//     known; with 300 cards, up to 1 in 28,000 strangers. Portillon cannot tell such cards apart. Where that risk is
//     too high, use a reader that gives the whole number, or cards that prove a key («card: aes» in the policy).
//   - Parts that members.yaml names (dec:, wiegand26:, wiegand34:): everywhere, for every whole number that ends in the
//     part, because whoever wrote the part said that no more is known of the card. For wiegand26: that is again one
//     card in 16,777,216, at every reader.
//
// A card that was enrolled by its code stands as hmac: and 64 hexadecimal digits: its number is not known to the site.
// The machine finds it by the number itself and by its bytes reversed; it has no short forms, so that each kind of
// reader that gives other digits of the card needs its own enrolment.
//
// No short form is made of numbers of seven and ten bytes: what some readers give of them is the maker's byte and two
// more.
//
// Read reports every fault of the two YAML files at once. Build verifies every credential, finds the member it was
// issued to, and signs all of it. A credential that does not count is no fault of the site: it stands in the warnings,
// with the reason.
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
	// Load reads a file of Badges that has a Hash and no Data. It may be nil if all have their Data.
	Load       func(hash string) ([]byte, error)
	Skipped    []string           // one sentence for each file of badges/ and status/ that was not read
	Web        openbadge.Resolver // documents/: copies of web documents that badges depend on; nil: none
	recipients *recipients        // set by the first call of Owner
	text       []byte             // policy.yaml, byte for byte as machines read it
}

// Member is an entry of members.yaml.
type Member struct {
	ID       policy.MemberID
	Name     string
	Language string
	Emails   []string
	Subjects []string
	Cards    []string // active cards: numbers in hexadecimal, or hmac: entries of cards that were enrolled by code
	// Parts are those of Cards that may be only a part of the number, as printed on the card: dec:, wiegand26:,
	// wiegand34:.
	Parts    []string
	Badges   []string // file names of this member's badges, needed if the recipient does not identify the member
	Blocked  bool
	Until    policy.Date    // the last day of the membership; zero: no end
	Inactive []InactiveCard // lost, blocked and replaced cards
}

// File is a file of badges/ or status/.
type File struct {
	Name string // path in the site's directory: badges/lea-laser-user.json
	Data []byte
	Hash string // SHA-256 in hexadecimal of what Site.Load reads, if there is no Data
}

// sha is the SHA-256 of the file's bytes. For a file with a Hash, reading the bytes checks it.
func (f File) sha() string {
	if f.Data == nil && f.Hash != "" {
		return f.Hash
	}
	return wire.Hash(f.Data)
}

// damagedFile is the error for a file whose bytes do not match its Hash.
type damagedFile struct{ name, sha string }

func (e *damagedFile) Error() string { return e.name + ": file content does not match the stored hash" }

// bytes returns a file's bytes, loaded if necessary.
func (s *Site) bytes(f File) ([]byte, error) {
	if f.Data != nil || f.Hash == "" {
		return f.Data, nil
	}
	if s.Load == nil {
		return nil, fmt.Errorf("%s: the file has a hash, and the site has no function to load it", f.Name)
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

// Text is the content of policy.yaml.
func (s *Site) Text() []byte { return s.text }

// Read reads a site's directory. The error lists every fault of its YAML files.
func Read(dir string) (*Site, error) { return ReadUnder(dir, filepath.Join(dir, "policy.yaml")) }

// ReadUnder is Read with another policy file than the directory's own.
func ReadUnder(dir, policyFile string) (*Site, error) {
	text, err := os.ReadFile(policyFile)
	if err != nil {
		return nil, fmt.Errorf("a site's directory holds policy.yaml, members.yaml and badges/: %w", err)
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
		return nil, fmt.Errorf("without badges/ nobody could use a machine: %w", err)
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

// documents opens the folder of documents. A missing folder has no documents.
func documents(dir string) (*openbadge.Directory, error) {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return &openbadge.Directory{}, nil
	}
	return openbadge.OpenDirectory(dir)
}

// ParseMembers reads members.yaml. name begins its faults. Faults quote a card's number only if ten digits have two
// readings.
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
		for i, c := range m.everyCard() {
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
		Until:    day(n.Get("until")),
		Emails:   append(n.Get("email").Strs(), n.Get("emails").Strs()...),
		Subjects: append(n.Get("subject").Strs(), n.Get("subjects").Strs()...),
	}
	if name, err := tidy(m.Name); err != nil {
		n.Get("name").Fault("", "the name cannot be used: %v", err)
	} else {
		m.Name = name
	}
	for i, e := range m.Emails {
		address, err := tidy(e)
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

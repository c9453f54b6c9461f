package policy

import (
	"fmt"
	"slices"
)

// Role is a permission at a machine, from the least powerful to the most powerful. The zero Role allows nothing.
type Role uint8

const (
	NoRole     Role = iota
	Learner         // a learner uses the machine with a mentor
	User            // a user uses the machine alone
	Host            // a host runs a workshop
	Mentor          // a mentor supervises a learner
	Maintainer      // a maintainer repairs the machine; a tag stops all other roles
)

var roleWords = [...]string{"none", "learner", "user", "host", "mentor", "maintainer"}

// Roles returns all roles that a grant may give, least powerful first.
func Roles() []Role { return []Role{Learner, User, Host, Mentor, Maintainer} }

func (r Role) String() string { return word(roleWords[:], int(r)) }

// ParseRole reads a role's word. "none" and "" are NoRole.
func ParseRole(s string) (Role, error) {
	n, err := number("role", roleWords[:], s)
	return Role(n), err
}

func (r Role) MarshalText() ([]byte, error) { return text("role", roleWords[:], int(r)) }

func (r *Role) UnmarshalText(b []byte) (err error) {
	*r, err = ParseRole(string(b))
	return err
}

// Verdict is the answer to a tap. The zero Verdict denies.
type Verdict uint8

const (
	Deny  Verdict = iota
	Await         // allow, as soon as a mentor taps
	Allow
)

var verdictWords = [...]string{"deny", "await", "allow"}

func (v Verdict) String() string { return word(verdictWords[:], int(v)) }

// ParseVerdict parses one of the words deny, await and allow. "" is deny.
func ParseVerdict(s string) (Verdict, error) {
	n, err := number("verdict", verdictWords[:], s)
	return Verdict(n), err
}

func (v Verdict) MarshalText() ([]byte, error) { return text("verdict", verdictWords[:], int(v)) }

func (v *Verdict) UnmarshalText(b []byte) (err error) {
	*v, err = ParseVerdict(string(b))
	return err
}

// Language is one of the languages of Text. The zero Language is French, the language of the first site.
type Language uint8

const (
	French Language = iota
	English
)

var languageWords = [...]string{"fr", "en"}

func (l Language) String() string { return word(languageWords[:], int(l)) }

// ParseLanguage parses one of the words fr and en. "" is French.
func ParseLanguage(s string) (Language, error) {
	n, err := number("language", languageWords[:], s)
	return Language(n), err
}

func (l Language) MarshalText() ([]byte, error) { return text("language", languageWords[:], int(l)) }

func (l *Language) UnmarshalText(b []byte) (err error) {
	*l, err = ParseLanguage(string(b))
	return err
}

func word(words []string, n int) string {
	if n >= len(words) {
		return words[0] // an unknown number is written with the word of the zero value
	}
	return words[n]
}

func text(kind string, words []string, n int) ([]byte, error) {
	if n >= len(words) {
		return nil, fmt.Errorf("policy: %s %d does not exist", kind, n)
	}
	return []byte(words[n]), nil
}

func number(kind string, words []string, s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n := slices.Index(words, s)
	if n < 0 {
		return 0, fmt.Errorf("policy: %q is not a %s, want one of %q", s, kind, words)
	}
	return n, nil
}

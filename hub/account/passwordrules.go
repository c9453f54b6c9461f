package account

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"portillon/hub/fault"
)

// Limits of a password.
const (
	minPassword = 10  // characters
	maxPassword = 256 // bytes
)

// common holds words from which most guessed passwords are built, in French and English. A password is refused if it is
// one of these words with digits and signs around it, or one of these words twice.
const common = `password passwort motdepasse motdepass azerty azertyuiop qwerty qwertyuiop qwertz admin administrator
	administrateur welcome bienvenue bonjour soleil doudou chouchou marseille letmein iloveyou jetaime
	football monkey dragon princess princesse sunshine superman changeme changemoi secret portillon fablab
	makerspace biklab laser atelier abc abcdef abcdefgh abcdefghij azertyqsdf qwertyasdf nicolas camille
	loulou test testtest root user login hello salut master trustno`

// plain converts a password or name to NFKC for comparison, so that two keyboards produce the same text.
func plain(s string) string { return norm.NFKC.String(s) }

// checkPassword returns the faults of a new password of the account name. It requires a minimum length, but no kinds of
// characters (NIST SP 800-63B, section 5.1.1.2).
func checkPassword(password, name string) []fault.Field {
	wrong := func(what, right string) []fault.Field {
		return []fault.Field{{Field: "password", Wrong: what, Right: right}}
	}
	right := "at least 10 characters that nobody would guess: four random words are good"
	switch {
	case len(password) > maxPassword || !utf8.ValidString(password):
		return wrong("longer than 256 bytes, or not text", "at most 256 bytes")
	case utf8.RuneCountInString(plain(password)) < minPassword:
		return wrong("shorter than 10 characters", right)
	case guessable(plain(password), name):
		return wrong("one of the passwords that are tried first", right)
	}
	return nil
}

// guessable reports whether attackers would try a password first: fewer than five different characters, consecutive
// characters of the alphabet or digits, a common word with digits and signs around it, or the account's name.
func guessable(password, name string) bool {
	p := strings.ToLower(password)
	different := map[rune]bool{}
	steps, last := 0, rune(-1)
	for _, r := range p {
		different[r] = true
		if r == last+1 || r == last-1 {
			steps++
		}
		last = r
	}
	if len(different) < 5 || steps*10 >= utf8.RuneCountInString(p)*8 { // "aaaaaaaaaa", "1234567890"
		return true
	}
	// Undo the usual replacements, as in P@ssw0rd, and look for a common word.
	letters := strings.TrimFunc(p, func(r rune) bool { return !unicode.IsLetter(r) })
	letters = strings.NewReplacer("@", "a", "0", "o", "1", "i", "3", "e", "$", "s", " ", "", "-", "", "_", "", ".",
		"").Replace(letters)
	if half := len(letters) / 2; len(letters)%2 == 0 && letters[:half] == letters[half:] {
		letters = letters[:half]
	}
	n, _, _ := strings.Cut(nameKey(name), "@")
	return letters == "" || slices.Contains(strings.Fields(common), letters) || strings.Contains(p, nameKey(name)) &&
		name != "" ||
		len(n) > 3 && letters == n
}

// nameKey returns the form in which names are compared and kept unique: names are the same if they differ only in case
// or in the encoding of an accent.
func nameKey(name string) string { return strings.ToLower(plain(strings.TrimSpace(name))) }

// checkName returns the faults of an account's name.
func checkName(name string) []fault.Field {
	wrong := ""
	switch {
	case name == "":
		wrong = "empty"
	case len(name) > 200:
		wrong = "longer than 200 bytes"
	case !utf8.ValidString(name) || name != strings.TrimSpace(name) || !isPrintable(name):
		wrong = "has control characters, or spaces around it"
	default:
		return nil
	}
	return []fault.Field{{Field: "name", Given: shorten(name, 60), Wrong: wrong,
		Right: "an e-mail address or a name, as in ines@biklab.example"}}
}

// isPrintable reports whether a text has no control and format characters, such as line feeds and marks that change the
// writing direction.
func isPrintable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// shorten cuts s to at most n bytes, between characters, for a fault or a row.
func shorten(s string, n int) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

package account

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"portillon/hub/fault"
)

// Bounds of a password.
const (
	minPassword = 10  // characters
	maxPassword = 256 // bytes
)

// common are words that most guessed passwords are made of, in French and English. A password that is one of them with
// digits and signs around it, or one of them twice, is refused.
const common = `password passwort motdepasse motdepass azerty azertyuiop qwerty qwertyuiop qwertz admin administrator
	administrateur welcome bienvenue bonjour soleil doudou chouchou marseille letmein iloveyou jetaime
	football monkey dragon princess princesse sunshine superman changeme changemoi secret portillon fablab
	makerspace biklab laser atelier abc abcdef abcdefgh abcdefghij azertyqsdf qwertyasdf nicolas camille
	loulou test testtest root user login hello salut master trustno`

// plain brings a password or name to the form in which it is compared: NFKC, so that two keyboards write the same.
func plain(s string) string { return norm.NFKC.String(s) }

// checkPassword returns what is wrong with a new password of the account name, or nothing. It asks for length, not for
// kinds of characters (NIST SP 800-63B, section 5.1.1.2).
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

// guessable reports whether a password is one of those that are tried first: fewer than five different characters,
// characters in a row of the alphabet or of digits, a common word with digits and signs around it, or the account's
// name.
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

// nameKey is a name as it is compared and kept unique: two names that differ in case alone, or in how a keyboard
// writes an accent, are the same.
func nameKey(name string) string { return strings.ToLower(plain(strings.TrimSpace(name))) }

// checkName returns what is wrong with an account's name, or nothing.
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

// isPrintable refuses control and format characters: line feeds, and marks that change the direction of writing.
func isPrintable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// shorten cuts s to at most n bytes, at the border of a character, for a fault or a row.
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

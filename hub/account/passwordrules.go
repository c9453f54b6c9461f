package account

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"portillon/hub/fault"
)

// Minimum and maximum length of a new password.
const (
	minPassword = 10  // characters
	maxPassword = 256 // bytes
)

// commonWords are French and English words that occur in many guessed passwords. A password is refused if the password
// is one of these words with digits and signs before or after, or the word repeated.
const commonWords = `
	password passwort motdepasse motdepass azerty azertyuiop qwerty qwertyuiop qwertz admin administrator
	administrateur welcome bienvenue bonjour soleil doudou chouchou marseille letmein iloveyou jetaime
	football monkey dragon princess princesse sunshine superman changeme changemoi secret portillon fablab
	makerspace biklab laser atelier abc abcdef abcdefgh abcdefghij azertyqsdf qwertyasdf nicolas camille
	loulou test testtest root user login hello salut master trustno`

// toNFKC converts a password or name to NFKC, so that a text compares equal when typed on different keyboards.
func toNFKC(s string) string { return norm.NFKC.String(s) }

// checkPassword returns the faults of a new password for the account name. A password needs a minimum length, but no
// particular kinds of characters (NIST SP 800-63B, section 5.1.1.2).
func checkPassword(password, name string) []fault.Field {
	wrong := func(what, right string) []fault.Field {
		return []fault.Field{{Field: "password", Wrong: what, Right: right}}
	}
	right := "at least 10 characters that nobody would guess: four random words are good"
	switch {
	case len(password) > maxPassword || !utf8.ValidString(password):
		return wrong("longer than 256 bytes, or not text", "at most 256 bytes")
	case utf8.RuneCountInString(toNFKC(password)) < minPassword:
		return wrong("shorter than 10 characters", right)
	case isGuessable(toNFKC(password), name):
		return wrong("one of the passwords that are tried first", right)
	}
	return nil
}

// isGuessable reports whether a password is one of those that attackers try first. A guessable password has fewer than
// five different characters, or is a sequence of consecutive letters or digits, a common word with digits and signs
// around it, or the account's name.
func isGuessable(password, name string) bool {
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
	return letters == "" || slices.Contains(strings.Fields(commonWords), letters) || strings.Contains(p, nameKey(name)) &&
		name != "" ||
		len(n) > 3 && letters == n
}

// nameKey returns the form in which names are compared. Two names that differ only in case or in the encoding of an
// accent have the same form, so that only one account can have the name.
func nameKey(name string) string { return strings.ToLower(toNFKC(strings.TrimSpace(name))) }

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

// isPrintable reports whether a text contains no control or format characters, such as line feeds and marks that change
// the writing direction.
func isPrintable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// shorten cuts s to at most n bytes, without cutting a character in two.
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

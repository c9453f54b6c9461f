package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"portillon/hub/apiclient"
)

// tokenScopes are the permissions that the tool's verbs need. The hub never gives a token more permissions than the
// token's owner has.
const tokenScopes = "members.read members.write members.erase cards.write badges.write badges.award taps.read " +
	"policy.read policy.publish machines.read sessions.read machines.enrol machines.tag machines.stop reports.read " +
	"reports.names audit.read"

// hubToken runs «hub token», which signs in with a name and a password, and writes an API token for the other verbs.
// hub token reads the password from a file or from standard input, never from the command line. With --owner-code-file,
// the verb creates the first owner of a new hub. hub token writes the token only to the file, and never prints it.
func hubToken(ctx context.Context, w stdio, args []string) error {
	var x remote
	var password, owner, scopes, out string
	days := 90
	rest, err := parseFlags(w, "hub token", args, 1, func(fs *flag.FlagSet) {
		fs.StringVar(&x.hub, "hub", "", "the hub's URL, as https://hub.local:8040")
		fs.StringVar(&x.ca, "ca", "", "the hub's certificate authority (PEM); default: those of this computer")
		fs.StringVar(&password, "password-file", "", "a file with the password on its first line; default: standard input")
		fs.StringVar(&owner, "owner-code-file", "", "owner-code in the data folder of a new hub: become its first owner")
		fs.StringVar(&scopes, "scopes", tokenScopes, "what the token may do")
		fs.IntVar(&days, "days", days, "for how many days it is valid, 1 to 365")
		fs.StringVar(&out, "o", "", "the file")
		x.lang = langFlag(fs)
	})
	if err == nil {
		err = missing("portillon hub token olivia@lab.example --hub URL -o token", need{"--hub URL", isURL(x.hub)},
			need{"-o", out != ""})
	}
	if err == nil && (days < 1 || days > 365) {
		err = wrong("--days: %d, want 1 to 365", days)
	}
	if err != nil {
		return err
	}
	if _, err := os.Lstat(out); err == nil {
		return wrong("%s exists already", out).hinted("name another file, or move this one away first")
	}
	// Read the secrets.
	in := apiclient.SignIn{Name: rest[0]}
	if in.Password, err = firstLine(w, password); err != nil {
		return err
	}
	if owner != "" {
		if in.OwnerCode, err = firstLine(w, owner); err != nil {
			return err
		}
	}
	o := apiclient.Options{URL: x.hub, CAFile: x.ca, Language: say(*x.lang, "fr", "en")}
	host, _ := os.Hostname() // use the computer's name as a part of the token's name; it may be empty
	// Sign in, create the token, and sign out again.
	t, err := apiclient.NewToken(ctx, o, in, strings.TrimSpace("portillon "+host), strings.Fields(scopes),
		time.Now().AddDate(0, 0, days).Truncate(time.Second))
	if err != nil {
		return withExitCode(err)
	}
	if err := os.WriteFile(out, []byte(t.Text+"\n"), 0o600); err != nil {
		return wrong("%w", err)
	}
	fmt.Fprintf(w.out, say(*x.lang, "jeton de %s dans %s, jusqu’au %s\n", "token of %s in %s, until %s\n"),
		plain(rest[0]), out,
		t.Expires.Local().Format(time.DateOnly))
	return nil
}

// firstLine reads the first line of a file, or of standard input.
func firstLine(w stdio, path string) (string, error) {
	const most = 1 << 10 // a password at the hub has at most this many bytes
	from := w.in
	if path != "" {
		f, err := os.Open(path)
		if err != nil {
			return "", wrong("%w", err)
		}
		defer f.Close()
		from = f
	}
	s := bufio.NewScanner(from)
	s.Buffer(nil, most)
	if !s.Scan() || s.Text() == "" {
		return "", wrong("%s holds no line of at most %d bytes", pick(path == "", "standard input", path), most)
	}
	return s.Text(), nil
}

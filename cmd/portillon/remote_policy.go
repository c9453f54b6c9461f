package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"portillon/hub/apiclient"
)

// apiPolicy is a version of the policy in the API.
type apiPolicy struct {
	Number   int64     `json:"number"`   // number, which increases with each version
	Text     string    `json:"text"`     // policy.yaml
	Comment  string    `json:"comment"`  // reason of the publication
	By       string    `json:"by"`       // who published it
	At       time.Time `json:"at"`       // when
	InForce  bool      `json:"in_force"` // true: machines receive this version
	Unsigned bool      `json:"unsigned"` // true: the policy key has not signed this version yet
}

// printPolicy prints the version in an answer.
func (x *remote) printPolicy(w stdio) func(apiclient.Answer, *apiclient.Client) error {
	return func(a apiclient.Answer, c *apiclient.Client) error {
		var p apiPolicy
		if err := c.Read(a, &p); err != nil {
			return err
		}
		state := say(*x.lang, "en vigueur", "in force")
		if p.Unsigned {
			state = say(*x.lang, "attend sa signature", "waits for its signature")
		}
		return table(w, [][]string{{strconv.FormatInt(p.Number, 10), state, moment(p.At), p.By, p.Comment}})
	}
}

// policyShow runs «policy show». The command prints the policy's text, or writes the text to a file with -o.
func policyShow(ctx context.Context, w stdio, args []string) error {
	var x remote
	var number int64
	var out string
	var force bool
	_, err := parseFlags(w, "policy show", args, 0, func(fs *flag.FlagSet) {
		x.declare(fs)
		fs.Int64Var(&number, "number", 0, "this version; default: the one in force")
		fs.StringVar(&out, "o", "", "write the text into this file; default: print it")
		fs.BoolVar(&force, "force", false, "write over a file that exists")
	})
	if err != nil {
		return err
	}
	path := "/policy"
	if number != 0 {
		path = apiclient.Path("policy", "versions", strconv.FormatInt(number, 10))
	}
	return x.ask(ctx, w, apiclient.Request{Method: http.MethodGet, Path: path},
		func(a apiclient.Answer, c *apiclient.Client) error {
			var p apiPolicy
			if err := c.Read(a, &p); err != nil {
				return err
			}
			if out == "" {
				_, err := fmt.Fprint(w.out, plainLines(p.Text))
				return err
			}
			return w.writeOut(out, []byte(p.Text), force)
		})
}

// policyVersions runs «policy versions».
func policyVersions(ctx context.Context, w stdio, args []string) error {
	var x remote
	if _, err := parseFlags(w, "policy versions", args, 0, x.declare); err != nil {
		return err
	}
	return printList(ctx, &x, w, "/policy/versions", url.Values{"limit": {"500"}}, func(p apiPolicy) []string {
		state := ""
		if p.InForce {
			state = say(*x.lang, "en vigueur", "in force")
		}
		return []string{strconv.FormatInt(p.Number, 10), state, moment(p.At), p.By, p.Comment}
	})
}

// policyDraft runs «policy draft», which prints the faults of a policy, and the roles that members would gain and lose.
// The exit code is 0 if no access changes, 1 if some access changes, and 2 if the text has faults.
func policyDraft(ctx context.Context, w stdio, args []string) error {
	var x remote
	rest, err := parseFlags(w, "policy draft", args, 1, x.declare)
	if err != nil {
		return err
	}
	text, err := readUpload(rest[0])
	if err != nil {
		return err
	}
	c, err := x.client()
	if err != nil {
		return err
	}
	var now apiPolicy
	if _, err := c.Get(ctx, "/policy", nil, &now); err != nil {
		return withExitCode(err)
	}
	a, err := c.Do(ctx, apiclient.Request{Method: http.MethodPost, Path: "/policy/draft",
		JSON: map[string]string{"text": string(text)}})
	if err != nil {
		return withExitCode(err)
	}
	var d apiDraft
	if err := c.Read(a, &d); err != nil {
		return withExitCode(err)
	}
	err = x.show(w, c, a, func(apiclient.Answer, *apiclient.Client) error {
		return x.printDraft(w, rest[0], d,
			now.Number)
	})
	switch {
	case err != nil:
		return err
	case len(d.Faults) > 0:
		return &failure{code: 2}
	case !d.Same:
		return errNo
	}
	return nil
}

// apiDraft is the hub's check of a policy.
type apiDraft struct {
	Faults   []apiFault `json:"faults"`   // faults, each of which prevents publication
	Warnings []apiFault `json:"warnings"` // warnings about rules that are probably unintended
	Same     bool       `json:"same"`     // no access changes
	Effect   *struct {
		Gains []apiRight `json:"gains"`
		Loses []apiRight `json:"loses"`
		Lines []string   `json:"lines"`
	} `json:"effect"`
	Replay *apiReplay `json:"replay"` // what the text would have answered to recorded taps
}

// apiFault is a fault or a warning with its position.
type apiFault struct {
	Line    int    `json:"line"`   // from 1
	Column  int    `json:"column"` // from 1
	Message string `json:"message"`
	Hint    string `json:"hint"` // description of the correct form
}

// printDraft prints the check, and the command that publishes the policy.
func (x *remote) printDraft(w stdio, file string, d apiDraft, inForce int64) error {
	for _, f := range append(d.Faults, d.Warnings...) {
		fmt.Fprintf(w.out, "%s:%d:%d: %s\n", file, f.Line, f.Column, plain(f.Message))
		if f.Hint != "" {
			fmt.Fprintf(w.out, "  → %s\n", plain(f.Hint))
		}
	}
	if len(d.Faults) > 0 {
		return nil
	}
	if d.Same {
		fmt.Fprintln(w.out, say(*x.lang, "aucun accès ne change", "no access changes"))
	}
	if e := d.Effect; e != nil {
		for _, line := range e.Lines {
			fmt.Fprintln(w.out, plain(line))
		}
		if err := table(w, rightRows(*x.lang, e.Gains, e.Loses)); err != nil {
			return err
		}
	}
	if err := d.Replay.print(w, *x.lang); err != nil {
		return err
	}
	fmt.Fprintf(w.out, say(*x.lang, "Pour publier : %s\n", "To publish: %s\n"),
		plain(fmt.Sprintf("portillon policy publish %s --of %d --comment … --hub %s", file, inForce, x.hub)))
	return nil
}

// policyPublish runs «policy publish». The hub accepts the policy only if --of names the version in force. For a policy
// key on another computer, --signature names the file that «policy sign» has written there.
func policyPublish(ctx context.Context, w stdio, args []string) error {
	var x remote
	var comment, signature string
	of := int64(-1)
	rest, err := parseFlags(w, "policy publish", args, 1, func(fs *flag.FlagSet) {
		x.declare(fs)
		fs.StringVar(&comment, "comment", "", "why, for everybody who asks later")
		fs.Int64Var(&of, "of", -1,
			"the number that it replaces, as portillon policy draft says; the hub refuses if another is in force by then")
		fs.StringVar(&signature, "signature", "", "what portillon policy sign wrote, where the policy key is not at the hub")
	})
	if err == nil {
		err = missing("portillon policy draft FILE --hub … says what is missing", need{"--comment", comment != ""},
			need{"--of", of >= 0})
	}
	if err != nil {
		return err
	}
	text, err := readUpload(rest[0])
	if err != nil {
		return err
	}
	body := map[string]any{"text": string(text), "comment": comment}
	if signature != "" {
		signed, err := os.ReadFile(signature)
		if err != nil {
			return wrong("%w", err)
		}
		body["signature"] = signed // package encoding/json writes bytes as base64
	}
	q := apiclient.Request{Method: http.MethodPost, Path: "/policy", JSON: body,
		Match: `"` + strconv.FormatInt(of, 10) + `"`}
	return x.ask(ctx, w, q, x.printPolicy(w))
}

// policyBack runs «policy back», which publishes the previous policy text again, as a new version.
func policyBack(ctx context.Context, w stdio, args []string) error {
	var x remote
	var comment string
	_, err := parseFlags(w, "policy back", args, 0, func(fs *flag.FlagSet) {
		x.declare(fs)
		fs.StringVar(&comment, "comment", "", "why")
	})
	if err == nil {
		err = missing("portillon policy back --comment \"too strict\" --hub …", need{"--comment", comment != ""})
	}
	if err != nil {
		return err
	}
	return x.ask(ctx, w, apiclient.Request{Method: http.MethodPost, Path: "/policy/back",
		JSON: map[string]string{"comment": comment}}, x.printPolicy(w))
}

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"portillon/hub/apiclient"
	"portillon/policy"
)

// remote contains the flags of the commands that send requests to a hub over the network.
type remote struct {
	hub, token, ca string // hub: URL of the hub; token: file of the API token; ca: file of the hub's certificate authority
	json           bool   // true: print the hub's answer unchanged
	lang           *policy.Language
}

// declare declares the flags.
func (x *remote) declare(fs *flag.FlagSet) {
	fs.StringVar(&x.hub, "hub", "", "the hub's URL, as https://hub.local:8040")
	x.declareToken(fs)
	fs.BoolVar(&x.json, "json", false, "print the hub's answer as JSON")
	x.lang = langFlag(fs)
}

// declareToken declares the flags that authenticate the tool to the hub and the hub to the tool.
func (x *remote) declareToken(fs *flag.FlagSet) {
	fs.StringVar(&x.token, "token-file", "", "a file with an API token, which its owner alone can read")
	fs.StringVar(&x.ca, "ca", "", "with --hub URL: the hub's certificate authority (PEM); default: those of this computer")
}

// isURL reports whether a flag is a hub's URL and not a hub.yaml.
func isURL(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

// client returns a client of the hub's API.
func (x *remote) client() (*apiclient.Client, error) {
	if err := missing("portillon … --hub https://hub.local:8040 --token-file token", need{"--hub URL", isURL(x.hub)},
		need{"--token-file", x.token != ""}); err != nil {
		return nil, err
	}
	c, err := apiclient.New(apiclient.Options{URL: x.hub, TokenFile: x.token, CAFile: x.ca,
		Language: pick(*x.lang == policy.English, "en", "fr")})
	if err != nil {
		return nil, wrong("%w", err)
	}
	return c, nil
}

// withExitCode adds the exit code to an error of the API: 1 for a refusal, 2 for input that the hub cannot use, 3 if
// the hub does not answer.
func withExitCode(err error) error {
	var p *apiclient.Problem
	var away *apiclient.Unreachable
	switch {
	case errors.As(err, &p):
		return &failure{code: codeOf(p.Status), err: err}
	case errors.As(err, &away):
		return &failure{code: 3, err: err}
	}
	return err
}

// codeOf returns the exit code for an HTTP status.
func codeOf(status int) int {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType:
		return 2
	case http.StatusTooManyRequests, http.StatusNotImplemented:
		return 3
	}
	if status >= 500 {
		return 3
	}
	return 1
}

// ask sends a request, and prints the answer as JSON or with the function show.
func (x *remote) ask(ctx context.Context, w stdio, q apiclient.Request,
	show func(apiclient.Answer, *apiclient.Client) error) error {
	c, err := x.client()
	if err != nil {
		return err
	}
	a, err := c.Do(ctx, q)
	if err != nil {
		return withExitCode(err)
	}
	return x.show(w, c, a, show)
}

// show prints an answer as JSON or with the function show.
func (x *remote) show(w stdio, c *apiclient.Client, a apiclient.Answer,
	show func(apiclient.Answer, *apiclient.Client) error) error {
	if !x.json {
		return withExitCode(show(a, c))
	}
	if len(a.Body) == 0 {
		return printJSON(w.out, struct{}{})
	}
	return x.printIndented(w, a.Body)
}

// printIndented prints JSON with indentation.
func (x *remote) printIndented(w stdio, b []byte) error {
	var out bytes.Buffer
	if err := json.Indent(&out, bytes.TrimSpace(b), "", "  "); err != nil {
		return &failure{code: 3, err: fmt.Errorf("hub's answer is not valid JSON: %w", err)}
	}
	_, err := fmt.Fprintln(w.out, out.String())
	return err
}

// printerOf returns a function that prints a sentence about a request that has succeeded.
func (x *remote) printerOf(w stdio, fr, en string, a ...any) func(apiclient.Answer, *apiclient.Client) error {
	return func(apiclient.Answer, *apiclient.Client) error {
		_, err := fmt.Fprintln(w.out, plain(fmt.Sprintf(say(*x.lang, fr, en), a...)))
		return err
	}
}

// printList reads all pages of a list, and prints every item, as JSON or as a row of cells.
func printList[T any](ctx context.Context, x *remote, w stdio, path string, query url.Values,
	cells func(T) []string) error {
	c, err := x.client()
	if err != nil {
		return err
	}
	all := []json.RawMessage{}
	if err := c.All(ctx, path, query, func(item json.RawMessage) error {
		all = append(all,
			item)
		return nil
	}); err != nil {
		return withExitCode(err)
	}
	if x.json {
		return printJSON(w.out, all)
	}
	var rows [][]string
	for _, item := range all {
		var v T
		if err := json.Unmarshal(item, &v); err != nil {
			return &failure{code: 3, err: fmt.Errorf("hub's answer cannot be parsed: %w", err)}
		}
		rows = append(rows, cells(v))
	}
	return table(w, rows)
}

// table prints rows in columns. Empty cells are printed as a dash.
func table(w stdio, rows [][]string) error {
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = cmp.Or(plain(row[i]), "-")
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// moment returns a local time for a terminal, or "" for the zero time.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04")
}

// readUpload reads a file that the tool sends to the hub.
func readUpload(path string) ([]byte, error) {
	const most = 16 << 20 // the API's bound
	info, err := os.Stat(path)
	if err != nil {
		return nil, wrong("%w", err)
	}
	if info.Size() > most {
		return nil, wrong("%s has %d bytes, the hub takes at most %d", path, info.Size(), most)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, wrong("%w", err)
	}
	return b, nil
}

// versionOf returns the ETag of a resource at the hub, which changes with each version of the resource.
func versionOf(ctx context.Context, c *apiclient.Client, path string) (string, error) {
	var v struct{}
	a, err := c.Get(ctx, path, nil, &v)
	if err != nil {
		return "", withExitCode(err)
	}
	return a.ETag, nil
}

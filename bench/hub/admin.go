package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"time"
)

// admin is the HTTP client of an administrator, with cookies as in a browser.
type admin struct {
	base string       // address of the hub's web pages
	c    *http.Client // HTTP client that holds the session cookie and does not follow redirects
}

// newAdmin returns a client for the hub at the address base; the client is not signed in yet.
func newAdmin(base string) (*admin, error) {
	jar, err := cookiejar.New(nil)
	return &admin{base, &http.Client{Jar: jar, Timeout: 5 * time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, err
}

// createOwner creates the first owner of a new hub, with the code that the hub prints at its first start. After
// createOwner, the client is signed in as this owner.
func (a *admin) createOwner(ctx context.Context, code string) error {
	form := url.Values{"code": {code}, "name": {"ada@bench.example"}, "password": {"a-long-and-odd-password"}}
	_, err := a.send(ctx, "POST", "/code/owner", "application/x-www-form-urlencoded", []byte(form.Encode()), nil)
	return err
}

// api sends a request to the API and decodes the answer into out. api marshals the argument in as JSON unless it is a
// []byte; the argument kind is the content type. The argument headers contains pairs: the name of a header, then its
// value.
func (a *admin) api(ctx context.Context, method, path, kind string, in, out any, headers ...string) error {
	body, isBytes := in.([]byte)
	if !isBytes && in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	answer, err := a.send(ctx, method, "/api/v1"+path, kind, body, headers)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

// send sends a request and returns the body of the answer. If the status is 400 or more, an error with the beginning
// of the body is returned.
func (a *admin) send(ctx context.Context, method, path, kind string, body []byte, headers []string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := a.c.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 400 {
		err = fmt.Errorf("%s %s: %s: %.500s", method, path, resp.Status, answer)
	}
	return answer, err
}

// publish replaces the current policy by a new one. The header If-Match contains the number of the current policy, so
// the hub reports an error if another change came in between.
func (a *admin) publish(ctx context.Context, text string) error {
	var now struct{ Number int64 }
	if err := a.api(ctx, "GET", "/policy", "", nil, &now); err != nil {
		return err
	}
	return a.api(ctx, "POST", "/policy", "application/json", map[string]string{"text": text, "comment": "bench"}, nil,
		"If-Match", fmt.Sprintf("%q", fmt.Sprint(now.Number)))
}

// bundle returns the version of the current bundle and the number of members in it.
func (a *admin) bundle(ctx context.Context) (version uint64, members int, err error) {
	var b struct {
		Version uint64
		Members int
		Problem string
	}
	err = a.api(ctx, "GET", "/bundle", "", nil, &b)
	if err == nil && b.Problem != "" {
		err = fmt.Errorf("hub has not built a bundle yet: %s", b.Problem)
	}
	return b.Version, b.Members, err
}

// fill imports the members and their badges, and publishes a policy that names the badges' issuer.
func (b *bigSite) fill(ctx context.Context, a *admin, say func(string)) error {
	if err := a.publish(ctx, b.policyText("first")); err != nil {
		return err
	}
	// Import the members in two steps: upload the file, then apply the preview.
	var preview struct{ ID string }
	if err := a.api(ctx, "POST", "/imports?name=members.yaml", "application/yaml", b.membersYAML(), &preview); err != nil {
		return err
	}
	if err := a.api(ctx, "POST", "/imports/"+preview.ID+"/apply", "", nil, nil); err != nil {
		return err
	}
	// Upload the badges in ZIP files of the largest size that the hub accepts.
	for from := 0; from < b.members; from += zipFiles {
		data, err := b.badgesZIP(from)
		if err != nil {
			return err
		}
		if err := a.api(ctx, "POST", "/badges?name=badges.zip", "application/octet-stream", data, nil); err != nil {
			return err
		}
	}
	say("members and badges are there")
	return nil
}

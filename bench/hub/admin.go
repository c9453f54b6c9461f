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

// admin is an administrator's browser.
type admin struct {
	base string
	c    *http.Client
}

// newAdmin is a browser without cookies yet. It does not follow redirects, so that their times are not added.
func newAdmin(base string) (*admin, error) {
	jar, err := cookiejar.New(nil)
	return &admin{base, &http.Client{Jar: jar, Timeout: 5 * time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, err
}

// own makes the first owner of a new hub, who is then signed in.
func (a *admin) own(ctx context.Context, code string) error {
	form := url.Values{"code": {code}, "name": {"ada@bench.example"}, "password": {"a-long-and-odd-password"}}
	_, err := a.send(ctx, "POST", "/code/owner", "application/x-www-form-urlencoded", []byte(form.Encode()), nil)
	return err
}

// api sends JSON, or other bytes of a kind, and reads the answer into out.
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

// send sends a request and returns the body of a successful answer.
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

// publish publishes a policy in the place of the one of a number.
func (a *admin) publish(ctx context.Context, text string) error {
	var now struct{ Number int64 }
	if err := a.api(ctx, "GET", "/policy", "", nil, &now); err != nil {
		return err
	}
	return a.api(ctx, "POST", "/policy", "application/json", map[string]string{"text": text, "comment": "bench"}, nil,
		"If-Match", fmt.Sprintf("%q", fmt.Sprint(now.Number)))
}

// bundle is the version of the bundle in force and how many members it has.
func (a *admin) bundle(ctx context.Context) (version uint64, members int, err error) {
	var b struct {
		Version uint64
		Members int
		Problem string
	}
	err = a.api(ctx, "GET", "/bundle", "", nil, &b)
	if err == nil && b.Problem != "" {
		err = fmt.Errorf("the hub builds no bundle: %s", b.Problem)
	}
	return b.Version, b.Members, err
}

// fill imports the members and their badges, and publishes a policy that names them.
func (b *bigSite) fill(ctx context.Context, a *admin, say func(string)) error {
	if err := a.publish(ctx, b.policyText("first")); err != nil {
		return err
	}
	var preview struct{ ID string }
	if err := a.api(ctx, "POST", "/imports?name=members.yaml", "application/yaml", b.membersYAML(), &preview); err != nil {
		return err
	}
	if err := a.api(ctx, "POST", "/imports/"+preview.ID+"/apply", "", nil, nil); err != nil {
		return err
	}
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

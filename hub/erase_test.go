package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"portillon/hub"
)

// setUpSite creates the first owner of a managed hub, publishes the example's policy and imports its members.
func (b *browser) setUpSite(h *runningHub) {
	b.t.Helper()
	owner := url.Values{"code": {h.OwnerCode()}, "name": {"ada@lab.example"}, "password": {"a-long-and-odd-password"}}
	if status := b.form("/code/owner", owner); status != 303 {
		b.t.Fatalf("the owner's code: %d", status)
	}
	b.json(201, "POST", "/policy", map[string]string{"text": b.file("policy.yaml"), "comment": "first"}, nil, "If-Match",
		`"1"`)
	_, answer := b.do("POST", "/api/v1/imports?name=members.yaml", "application/yaml", []byte(b.file("members.yaml")))
	var preview struct{ ID string }
	if err := json.Unmarshal(answer, &preview); err != nil || preview.ID == "" {
		b.t.Fatalf("the preview: %.300s %v", answer, err)
	}
	b.json(200, "POST", "/imports/"+preview.ID+"/apply", nil, nil)
}

// file returns a file of the example site.
func (b *browser) file(name string) string {
	b.t.Helper()
	data, err := os.ReadFile("../site-example/" + name)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(data)
}

// badge adds a badge file of the example site to a member.
func (b *browser) badge(name string) {
	b.t.Helper()
	if status, answer := b.do("POST", "/api/v1/badges?name="+name, "application/json",
		[]byte(b.file("badges/"+name))); status != 201 {
		b.t.Fatalf("the badge %s: %d %.300s", name, status, answer)
	}
}

// filesWith returns the database files that contain a text in upper or lower case.
func filesWith(t *testing.T, c hub.Config, text string) (files []string) {
	t.Helper()
	for _, end := range []string{"", "-wal", "-shm"} {
		data, err := os.ReadFile(c.Database() + end)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if bytes.Contains(bytes.ToLower(data), bytes.ToLower([]byte(text))) {
			files = append(files, c.Database()+end)
		}
	}
	return files
}

func TestErasureRemovesThePersonFromEveryDatabaseFile(t *testing.T) {
	h, b := managedHub(t)
	b.setUpSite(h)
	b.badge("lea-laser-user.json")
	b.badge("jules-laser-first-steps.json")
	var credential struct {
		Proof any
		ID    string
	}
	if err := json.Unmarshal([]byte(b.file("badges/lea-laser-user.json")), &credential); err != nil ||
		credential.ID == "" {
		t.Fatal(credential, err)
	}
	version := func() string { return fmt.Sprintf("%q", fmt.Sprint(b.version("m-020dc2"))) }
	edit := `{"guardians": ["parent@home.example"], "subjects": ["did:example:lea-of-biklab"]}`
	if status, answer := b.do("PATCH", "/api/v1/members/m-020dc2", "application/merge-patch+json", []byte(edit),
		"If-Match", version()); status != 200 {
		t.Fatalf("the change: %d %.300s", status, answer)
	}
	b.json(201, "POST", "/accounts", map[string]string{"name": "lea@example.org", "member": "m-020dc2", "role": "member"},
		nil)
	// A bundle's warnings contain names of members. Cause a warning: give two members cards that a reader of short
	// numbers cannot distinguish.
	b.json(201, "POST", "/members/m-020dc2/cards", map[string]string{"number": "AB62E30001"}, nil)
	b.json(201, "POST", "/members/m-9caeb2/cards", map[string]string{"number": "CD62E30001"}, nil)
	var bundle struct {
		Warnings []string
		Problem  string
	}
	warned := func(name string) func() bool {
		return func() bool {
			b.json(200, "GET", "/bundle", nil, &bundle)
			return bytes.Contains([]byte(fmt.Sprint(bundle.Warnings)), []byte(name))
		}
	}
	eventually(t, warned("Léa Martin"))

	erased := []string{"Léa Martin", "lea@example.org", "parent@home.example", "did:example:lea", "62E3086CED",
		"AB62E30001",
		credential.ID, "lea-laser-user"}
	for _, text := range erased {
		if len(filesWith(t, h.config, text)) == 0 {
			t.Errorf("%q stands nowhere before the erasure: the test shows nothing", text)
		}
	}
	b.json(204, "DELETE", "/members/m-020dc2", nil, nil, "If-Match", version())
	// A bundle whose build began before the erasure may contain the person's name until the next build.
	for _, text := range erased {
		eventually(t, func() bool { return len(filesWith(t, h.config, text)) == 0 })
	}
	if len(filesWith(t, h.config, "Jules Bernard")) == 0 {
		t.Error("another member is gone too")
	}
	// The next bundle stores its warnings anew, without the erased person.
	eventually(t, func() bool {
		b.json(200, "GET", "/bundle", nil, &bundle)
		return len(bundle.Warnings) > 0 && !strings.Contains(fmt.Sprint(bundle.Warnings), "Léa") && bundle.Problem == ""
	})
}

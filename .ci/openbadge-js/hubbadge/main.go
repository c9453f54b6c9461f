// Program hubbadge prints a badge that package hub/issue has issued, and the documents that the hub serves for it, as
// one JSON object: badge, picture (a PNG that contains the badge, in base64), did, documents (by address), and list
// (the status list before the badge was revoked). With the argument rsa, the issuer has an RSA key, and the badge is a
// token.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"portillon/hub/actor"
	"portillon/hub/issue"
	"portillon/hub/store"
	"portillon/openbadge"
	"portillon/policy"
)

func main() {
	dir, err := os.MkdirTemp("", "hubbadge")
	if err != nil {
		log.Fatal(err)
	}
	out, err := run(context.Background(), dir, len(os.Args) > 1 && os.Args[1] == "rsa")
	if err := os.RemoveAll(dir); err != nil {
		log.Print(err)
	}
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		log.Fatal(err)
	}
}

// The issuer's id, and the address of its profile, which is the id of an issuer with an RSA key.
const (
	did     = "did:web:hub.lab.example"
	profile = "https://hub.lab.example/issuer"
)

// issuer is the service that issues badges, and the badge that it issued last.
type issuer struct {
	*issue.Service
	badge []byte
}

// open returns the service for the rows of a site. Its policy has one badge.
func open(rows *store.Site, rsa bool) (*issuer, error) {
	generate, id := openbadge.GenerateKey, did
	if rsa {
		generate, id = openbadge.GenerateRSAKey, profile
	}
	key, err := generate("hubbadge")
	if err != nil {
		return nil, err
	}
	p, err := policy.New(policy.Model{Site: "biklab",
		Issuers: []policy.Issuer{{ID: "lab", Name: "BIK’LAB", Profile: id, Keys: []string{id}}},
		Badges: []policy.Badge{{ID: "laser-user", Issuer: "lab", Achievement: "https://lab.example/achievements/laser-user",
			Name: policy.Text{FR: "Découpe laser - Utilisateur autonome"}}}})
	if err != nil {
		return nil, err
	}
	s := &issuer{}
	s.Service, err = issue.New(issue.Options{Site: rows, Key: key,
		URL:    &url.URL{Scheme: "https", Host: "hub.lab.example"},
		Policy: func(context.Context) (*policy.Policy, error) { return p, nil },
		Recipient: func(context.Context, policy.MemberID) (issue.Recipient, error) {
			return issue.Recipient{ID: "m-lea", Email: "lea@example.org"}, nil
		},
		Audit: func(context.Context, *store.Tx, actor.Actor, actor.Act, string, string) error { return nil },
		Apply: func(ctx context.Context, _ actor.Actor, c issue.Change, with func(*store.Tx) (string, error)) error {
			for _, x := range c.Add {
				s.badge = x.Data
			}
			return rows.Write(ctx, func(tx *store.Tx) error { _, err := with(tx); return err })
		}})
	return s, err
}

// run issues a badge, revokes it, and returns the object that main prints.
func run(ctx context.Context, dir string, rsa bool) (map[string]any, error) {
	db, err := store.Open(ctx, filepath.Join(dir, store.Name))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	s, err := open(db.Site("biklab"), rsa)
	if err != nil {
		return nil, err
	}
	by := actor.Local("hubbadge")
	texts := issue.Texts{Criteria: "Découper une boîte", Alignments: []openbadge.Alignment{{Name: "Sécurité",
		URL: "https://frame.example/safety"}}}
	if _, err := s.SetClass(ctx, by, "laser-user", 0, texts); err != nil {
		return nil, err
	}
	all, err := s.Award(ctx, by, issue.Award{Badge: "laser-user", Members: []policy.MemberID{"m-lea"}, Why: "test",
		Until:    time.Now().AddDate(1, 0, 0),
		Evidence: issue.Evidence{Text: "Une boîte", URLs: []string{"https://lab.example/box"}}})
	if err != nil {
		return nil, err
	}
	_, picture, err := s.Baked(ctx, by, all[0].ID)
	if err != nil {
		return nil, err
	}
	const list = "https://hub.lab.example/issuer/status/1"
	clean, _, err := s.Document(ctx, list)
	if err != nil {
		return nil, err
	}
	if err := s.Revoke(ctx, by, all[0].ID, "test"); err != nil {
		return nil, err
	}
	documents := map[string]any{}
	for name, address := range map[string]string{did: "https://hub.lab.example/.well-known/did.json", list: list,
		"jwks": profile + "/jwks.json"} {
		data, _, err := s.Document(ctx, address)
		if err != nil {
			return nil, err
		}
		documents[name] = document(data)
	}
	return map[string]any{"badge": document(s.badge), "picture": picture, "did": did, "documents": documents,
		"list": document(clean)}, nil
}

// document returns a document as JSON, or as a text if it is a token.
func document(data []byte) any {
	if json.Valid(data) {
		return json.RawMessage(data)
	}
	return string(data)
}

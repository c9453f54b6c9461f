package broker

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"portillon/policy"
	"portillon/wire"
)

// slug matches the id of a site or machine: up to 64 lower-case letters, digits and hyphens.
var slug = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$`)

// newAccounts returns a map from user names to the state of each account. If accounts is empty, the map contains one
// account with an empty name, which any client may use.
func newAccounts(site policy.SiteID, accounts []Account, now time.Time) (map[string]*account, error) {
	if len(accounts) == 0 {
		return map[string]*account{"": newAccount(site, Account{}, now)}, nil
	}
	if !slug.MatchString(string(site)) {
		return nil, fmt.Errorf("invalid site id %q, want lower-case letters, digits and hyphens", site)
	}
	out := map[string]*account{}
	for _, a := range accounts {
		if a.User == "" || a.Password == "" && a.PasswordHash == ([sha256.Size]byte{}) || out[a.User] != nil {
			return nil, fmt.Errorf("account %q has no unique name or no password, want a unique name and a password", a.User)
		}
		out[a.User] = newAccount(site, a, now)
	}
	return out, nil
}

// newUser returns the NATS user for an account, with the permissions from the table of topics.
func newUser(site policy.SiteID, a *account) (*server.User, error) {
	u := &server.User{Username: a.inner.user, Password: a.inner.password}
	if a.User == "" {
		return u, nil
	}
	p, err := natsPermissions(site, a.Account)
	if err != nil {
		return nil, err
	}
	u.Permissions = p
	return u, nil
}

// natsPermissions converts an account's permissions from the table of topics to the format of the embedded server.
func natsPermissions(site policy.SiteID, a Account) (*server.Permissions, error) {
	if a.As == AsMachine && (!slug.MatchString(string(a.Machine)) || wire.Reserved(a.Machine)) {
		return nil, fmt.Errorf("account %q: invalid machine id %q, want lower-case letters, digits and hyphens", a.User,
			a.Machine)
	}
	granted := a.permissions(site)
	if len(granted) == 0 {
		return nil, fmt.Errorf("account %q has no role, want the role hub, machine or watcher", a.User)
	}
	// Reject an empty list, because for the embedded server an empty list means every topic.
	out := &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{}},
		Subscribe: &server.SubjectPermission{Allow: []string{}},
	}
	for _, p := range granted {
		subject, parent := subjectOf(p.Filter)
		if p.Publish {
			out.Publish.Allow = append(out.Publish.Allow, subject)
		}
		if p.Subscribe && parent != "" {
			out.Subscribe.Allow = append(out.Subscribe.Allow, parent)
		}
		if p.Subscribe {
			out.Subscribe.Allow = append(out.Subscribe.Allow, subject)
		}
	}
	if a.As == AsMachine {
		subject, _ := subjectOf(unusedTopic(&account{Account: a, site: site}))
		out.Subscribe.Allow = append(out.Subscribe.Allow, subject)
	}
	if len(out.Publish.Allow) == 0 || len(out.Subscribe.Allow) == 0 {
		return nil, fmt.Errorf("account %q needs at least one topic to publish on and one topic to subscribe to", a.User)
	}
	return out, nil
}

// permissions returns the account's permissions according to the table of topics.
func (a Account) permissions(site policy.SiteID) []wire.Permission {
	topics := wire.Topics{Site: site}
	switch a.As {
	case AsHub:
		return topics.Permissions(wire.HubParty, "+")
	case AsMachine:
		return topics.Permissions(wire.MachineParty, a.Machine)
	case AsWatcher:
		return topics.Permissions(wire.WatcherParty, "+")
	}
	return nil
}

// subjectOf returns the NATS subject for a topic filter: "/" becomes ".", "+" becomes "*", and "#" becomes ">". A
// filter that ends with "#" also matches the parent level (MQTT 3.1.1, section 4.7.1.2), but a subject that ends with
// ">" does not. For such a filter, parent is the subject of the parent level. For other filters parent is empty.
func subjectOf(filter string) (subject, parent string) {
	subject = strings.NewReplacer("/", ".", "+", "*").Replace(filter)
	if parent, deep := strings.CutSuffix(subject, ".#"); deep {
		return parent + ".>", parent
	}
	return subject, ""
}

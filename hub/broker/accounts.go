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

var slug = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$`)

// open makes what the proxy knows of each account. Without accounts there is one, of the name "", that anybody may use.
func open(site policy.SiteID, accounts []Account, now time.Time) (map[string]*account, error) {
	if len(accounts) == 0 {
		return map[string]*account{"": newAccount(site, Account{}, now)}, nil
	}
	if !slug.MatchString(string(site)) {
		return nil, fmt.Errorf("the site %q is no id of lower-case letters, digits and hyphens", site)
	}
	out := map[string]*account{}
	for _, a := range accounts {
		if a.User == "" || a.Password == "" && a.PasswordHash == ([sha256.Size]byte{}) || out[a.User] != nil {
			return nil, fmt.Errorf("the account %q needs a name of its own and a password", a.User)
		}
		out[a.User] = newAccount(site, a, now)
	}
	return out, nil
}

// user turns an account into a NATS user.
func user(site policy.SiteID, a *account) (*server.User, error) {
	u := &server.User{Username: a.inner.user, Password: a.inner.password}
	if a.User == "" {
		return u, nil
	}
	p, err := permissions(site, a.Account)
	if err != nil {
		return nil, err
	}
	u.Permissions = p
	return u, nil
}

// permissions are those of the table of topics, for the embedded server.
func permissions(site policy.SiteID, a Account) (*server.Permissions, error) {
	if a.As == AsMachine && (!slug.MatchString(string(a.Machine)) || wire.Reserved(a.Machine)) {
		return nil, fmt.Errorf("the account %q speaks for %q, which is no machine's id", a.User, a.Machine)
	}
	granted := a.permissions(site)
	if len(granted) == 0 {
		return nil, fmt.Errorf("the account %q may do nothing: say whether it is the hub, a machine or a watcher", a.User)
	}
	// Neither list may be empty: the embedded server would then allow everything.
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
		subject, _ := subjectOf(silent(&account{Account: a, site: site}))
		out.Subscribe.Allow = append(out.Subscribe.Allow, subject)
	}
	if len(out.Publish.Allow) == 0 || len(out.Subscribe.Allow) == 0 {
		return nil, fmt.Errorf("account %q: the table of topics lets it publish or subscribe to nothing", a.User)
	}
	return out, nil
}

// permissions are what the table of topics allows the account.
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

// subjectOf is a topic filter as the embedded server has it: slashes are dots, + is a star, and # is «>», which does
// not match the parent level as # does (MQTT 3.1.1 §4.7.1.2); parent is that one, or empty.
func subjectOf(filter string) (subject, parent string) {
	subject = strings.NewReplacer("/", ".", "+", "*").Replace(filter)
	if parent, deep := strings.CutSuffix(subject, ".#"); deep {
		return parent + ".>", parent
	}
	return subject, ""
}

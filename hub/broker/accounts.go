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
	u := &server.User{Username: a.innerUser, Password: a.innerPassword}
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

func permissions(site policy.SiteID, a Account) (*server.Permissions, error) {
	base := "portillon." + string(site) + "."
	switch a.As {
	case AsHub:
		// The filter portillon/<site>/# also covers portillon/<site>, which «>» alone would not.
		return allow([]string{base + ">"}, []string{strings.TrimSuffix(base, "."), base + ">"}), nil
	case AsMachine:
		if !slug.MatchString(string(a.Machine)) || a.Machine == "ack" || a.Machine == "bundle" {
			return nil, fmt.Errorf("the account %q speaks for %q, which is no machine's id", a.User, a.Machine)
		}
		pub, sub := subjects(site, a.Machine, wire.MachineParty)
		return allow(pub, append(sub, strings.ReplaceAll(silent(&account{Account: a, site: site}), "/", "."))), nil
	case AsWatcher:
		pub, sub := subjects(site, "+", wire.WatcherParty)
		return allow(pub, append(sub, "homeassistant", "homeassistant.>")), nil
	}
	return nil, fmt.Errorf("the account %q may do nothing: say whether it is the hub, a machine or a watcher", a.User)
}

// subjects are what a party publishes and receives. In NATS an MQTT topic's slashes are dots, and + is a star.
func subjects(site policy.SiteID, m policy.MachineID, p wire.Party) (pub, sub []string) {
	for _, a := range wire.AccessTable() {
		if strings.HasPrefix(a.Topic, "homeassistant/device/") && p == wire.WatcherParty {
			continue // one of homeassistant.>
		}
		subject := strings.NewReplacer("/", ".", "+", "*").Replace(a.Of(site, m))
		if a.Publishes(p) {
			pub = append(pub, subject)
		}
		if a.Receives(p) {
			sub = append(sub, subject)
		}
	}
	return pub, sub
}

// allow denies all else. Neither list may be empty: NATS would then allow everything.
func allow(pub, sub []string) *server.Permissions {
	return &server.Permissions{Publish: &server.SubjectPermission{Allow: pub}, Subscribe: &server.SubjectPermission{Allow: sub}}
}
